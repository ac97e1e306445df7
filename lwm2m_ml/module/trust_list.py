"""Which keys sign modules: a versioned list, signed by a root key that signs nothing else (42769/x/35 and /36).

A device replaces its list as a whole or not at all, and never by an older one.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.module import cbor, cose, fields
from lwm2m_ml.module.errors import InvalidDescriptorError, KeyFileError, MalformedCborError
from lwm2m_ml.module.signing import SigningKey, VerificationKey

MAXIMUM_LIST_BYTES = 4096
MAXIMUM_KEYS = 16
MAXIMUM_REVOKED = 64
_FORM = 1
_FORM_KEY, _VERSION_KEY, _KEYS_KEY, _REVOKED_KEY = range(4)
_COSE_KEY, _VALID_FROM, _VALID_UNTIL = 1, 2, 3
_KEY_ID_BYTES = 32


class TrustListRejected(InvalidInputError):
    """A trust list must not be installed: not from the root, malformed, or older than what is there."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key that signs modules, in Unix seconds from and until when; None is always."""

    key: VerificationKey
    valid_from: int | None = None
    valid_until: int | None = None

    def is_valid_at(self, now: float | None) -> bool:
        """Whether it may sign now; a device without a clock passes None and takes it as valid."""
        if now is None:
            return True
        return (self.valid_from is None or self.valid_from <= now) and (
            self.valid_until is None or now < self.valid_until
        )

    def as_map(self) -> dict[int, object]:
        """Return the CBOR map."""
        entry: dict[int, object] = {_COSE_KEY: self.key.to_cose_key()}
        if self.valid_from is not None:
            entry[_VALID_FROM] = self.valid_from
        if self.valid_until is not None:
            entry[_VALID_UNTIL] = self.valid_until
        return entry

    @classmethod
    def from_map(cls, value: Any) -> "TrustedKey":
        """Read the CBOR map."""
        entry = fields.MapReader(value, "A trusted key", (_COSE_KEY, _VALID_FROM, _VALID_UNTIL))
        times = (entry.unsigned(name) if name in value else None for name in (_VALID_FROM, _VALID_UNTIL))
        return cls(VerificationKey.from_cose_key(entry.octets(_COSE_KEY)), *times)


@dataclass(frozen=True, slots=True)
class TrustList:
    """The keys that may sign, and the identifiers of those that never may again."""

    version: int
    keys: tuple[TrustedKey, ...]
    revoked: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.version < 1 or len(self.keys) > MAXIMUM_KEYS or len(self.revoked) > MAXIMUM_REVOKED:
            raise TrustListRejected(
                f"A trust list has a version from 1 on, at most {MAXIMUM_KEYS} keys and {MAXIMUM_REVOKED} revocations"
            )
        if any(len(key_id) != _KEY_ID_BYTES for key_id in self.revoked):
            raise TrustListRejected("A revoked key is named by a thumbprint of 32 bytes")

    def trusted_at(self, now: float | None) -> tuple[VerificationKey, ...]:
        """Return the keys whose packages are accepted at a moment: listed, valid, not revoked."""
        return tuple(
            entry.key for entry in self.keys if entry.is_valid_at(now) and entry.key.key_id not in self.revoked
        )

    def sign(self, root: SigningKey) -> bytes:
        """Return the list as it is sent to devices."""
        content = {
            _FORM_KEY: _FORM,
            _VERSION_KEY: self.version,
            _KEYS_KEY: [entry.as_map() for entry in self.keys],
            _REVOKED_KEY: list(self.revoked),
        }
        message = cose.sign1_attached(cbor.encode(content), root)
        if len(message) > MAXIMUM_LIST_BYTES:
            raise TrustListRejected(f"The trust list has {len(message):,} B, devices take {MAXIMUM_LIST_BYTES:,} B")
        return message

    @classmethod
    def peek(cls, data: bytes) -> "TrustList":
        """Return what a list says, whoever signed it; raises TrustListRejected for what is none."""
        try:
            return _read(cbor.decode(cose.attached_payload(data)))
        except (MalformedCborError, InvalidDescriptorError, KeyFileError) as error:
            raise TrustListRejected(f"The trust list is malformed: {error.message}") from error

    @classmethod
    def verify(cls, data: bytes, roots: Collection[VerificationKey], installed: "TrustList | None") -> "TrustList":
        """Return the list that replaces `installed`; raises TrustListRejected, and then `installed` stays."""
        payload = cose.verify1_attached(data, cose.trust(roots)) if len(data) <= MAXIMUM_LIST_BYTES else None
        if payload is None:
            raise TrustListRejected("The trust list is not signed by the root key")
        try:
            new = _read(cbor.decode(payload))
        except (MalformedCborError, InvalidDescriptorError, KeyFileError) as error:
            raise TrustListRejected(f"The trust list is malformed: {error.message}") from error
        if installed is not None and new != installed and new.version <= installed.version:
            raise TrustListRejected(f"The trust list has version {new.version}, {installed.version} is installed")
        return new


def _read(value: Any) -> TrustList:
    entry = fields.MapReader(value, "The trust list", (_FORM_KEY, _VERSION_KEY, _KEYS_KEY, _REVOKED_KEY))
    form = entry.unsigned(_FORM_KEY)
    fields.require(form == _FORM, f"Form {form} of a trust list is unknown")
    items, revoked = entry.items(_KEYS_KEY), entry.items(_REVOKED_KEY)
    fields.require(len(items) <= MAXIMUM_KEYS, "The trust list has too many keys")
    fields.require(all(isinstance(key_id, bytes) for key_id in revoked), "A revoked key is named by bytes")
    return TrustList(entry.unsigned(_VERSION_KEY), tuple(TrustedKey.from_map(item) for item in items), tuple(revoked))
