"""The SUIT manifest of a module (draft-ietf-suit-manifest-34): one fixed template, filled in.

A device needs no command interpreter for it: `decode` reads the facts out and refuses every manifest that is not,
byte for byte, what `encode` makes of them. Numbers of -257 and below are SUIT's ranges for private use.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from lwm2m_ml.module import cbor
from lwm2m_ml.module.errors import InvalidPackageFactsError, MalformedCborError

MAXIMUM_MANIFEST_BYTES = 1024
MAXIMUM_SIZE = (1 << 32) - 1
MAXIMUM_SEQUENCE_NUMBER = (1 << 64) - 1
PAYLOAD_URI = "#module"
DIGEST_BYTES = 32
_SHA_256 = -16
_MANIFEST_VERSION = 1


class Label(IntEnum):
    """Elements of the envelope and of the manifest; severable ones have the same number in both."""

    AUTHENTICATION = 2
    MANIFEST = 3
    DESCRIPTOR = -257
    PROVENANCE = -258
    BLOCK_TABLE = -259


_VERSION, _SEQUENCE_NUMBER, _COMMON, _VALIDATE, _INVOKE, _INSTALL = 1, 2, 3, 7, 9, 20
_COMPONENTS, _SHARED_SEQUENCE = 2, 4
_VENDOR, _CLASS, _IMAGE_MATCH = 1, 2, 3  # both conditions and the parameters that they compare with
_DIGEST_PARAMETER, _SIZE_PARAMETER, _ENCRYPTION_PARAMETER, _URI_PARAMETER, _PAYLOAD_PARAMETER = 3, 14, 19, 21, -257
_OVERRIDE, _FETCH, _INVOKE_DIRECTIVE = 20, 21, 23
_REPORT_ALWAYS, _REPORT_FAILURE = 15, 2
_ENCODING, _BYTES, _WINDOW_BITS, _LOOKAHEAD_BITS, _BASE_DIGEST = 1, 2, 3, 4, 5


class PayloadEncoding(IntEnum):
    """How the payload is packed: the values of 42769/x/21."""

    NONE = 0
    ZSTD = 1
    HEATSHRINK = 2
    DELTA = 3


@dataclass(frozen=True, slots=True)
class PayloadForm:
    """The payload as it lies in the package: how it was packed and how many bytes it then had.

    `window_bits` is what a decoder must remember (2^n bytes), `lookahead_bits` is heatshrink's second parameter,
    `base_digest` names the image that a delta applies to.
    """

    encoding: PayloadEncoding
    size: int
    window_bits: int = 0
    lookahead_bits: int = 0
    base_digest: bytes | None = None

    def as_map(self) -> dict[int, object]:
        """Return the CBOR map; what is nothing is left out."""
        optional = {
            _WINDOW_BITS: self.window_bits,
            _LOOKAHEAD_BITS: self.lookahead_bits,
            _BASE_DIGEST: self.base_digest,
        }
        return {_ENCODING: int(self.encoding), _BYTES: self.size} | {
            key: part for key, part in optional.items() if part
        }

    @classmethod
    def from_map(cls, value: Any) -> "PayloadForm":
        """Read the CBOR map; whoever calls compares its encoding."""
        base_digest = value.get(_BASE_DIGEST)
        return cls(
            PayloadEncoding(_whole(value[_ENCODING])),
            _whole(value[_BYTES]),
            _whole(value.get(_WINDOW_BITS, 0)),
            _whole(value.get(_LOOKAHEAD_BITS, 0)),
            _octets(base_digest) if base_digest is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is signed. `image_*` speak of the payload as it will lie in the slot, unpacked and decrypted."""

    sequence_number: int
    vendor_id: bytes
    class_id: bytes
    component: tuple[bytes, ...]
    image_digest: bytes
    image_size: int
    payload: PayloadForm
    descriptor_digest: bytes
    provenance_digest: bytes | None = None
    block_table_digest: bytes | None = None
    encryption: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        digests = (self.image_digest, self.descriptor_digest, self.provenance_digest, self.block_table_digest)
        _require(0 < self.sequence_number <= MAXIMUM_SEQUENCE_NUMBER, "A sequence number begins at 1")
        _require(len(self.vendor_id) == 16 and len(self.class_id) == 16, "Vendor and class identifiers have 16 bytes")
        _require(0 < len(self.component) <= 8, "A component identifier has one to eight parts")
        _require(sum(map(len, self.component)) <= 64, "A component identifier has at most 64 bytes")
        _require(all(digest is None or len(digest) == DIGEST_BYTES for digest in digests), "A digest has 32 bytes")
        _require(self.payload.base_digest is None or len(self.payload.base_digest) == 32, "A digest has 32 bytes")
        _require(0 < self.image_size <= MAXIMUM_SIZE, "A module has at least one byte")
        _require(0 < self.payload.size <= MAXIMUM_SIZE, "A payload has at least one byte")
        _require(0 <= self.payload.window_bits <= 31, "A window has at most 31 bits")
        _require(0 <= self.payload.lookahead_bits <= 31, "A lookahead has at most 31 bits")

    @property
    def _plain_form(self) -> PayloadForm:
        """The form of a payload that is the image: it goes without saying."""
        return PayloadForm(PayloadEncoding.NONE, self.image_size)

    def encode(self) -> bytes:
        """Encode, always to the same bytes."""
        manifest = {
            _VERSION: _MANIFEST_VERSION,
            _SEQUENCE_NUMBER: self.sequence_number,
            _COMMON: cbor.encode(
                {_COMPONENTS: [list(self.component)], _SHARED_SEQUENCE: cbor.encode(self._shared_sequence())}
            ),
            _VALIDATE: cbor.encode([_IMAGE_MATCH, _REPORT_ALWAYS]),
            _INVOKE: cbor.encode([_INVOKE_DIRECTIVE, _REPORT_FAILURE]),
            _INSTALL: cbor.encode(self._install_sequence()),
        }
        severable = {
            Label.DESCRIPTOR: self.descriptor_digest,
            Label.PROVENANCE: self.provenance_digest,
            Label.BLOCK_TABLE: self.block_table_digest,
        }
        manifest |= {int(label): [_SHA_256, digest] for label, digest in severable.items() if digest is not None}
        return cbor.encode(manifest)

    def _shared_sequence(self) -> list[object]:
        parameters = {
            _VENDOR: self.vendor_id,
            _CLASS: self.class_id,
            _DIGEST_PARAMETER: suit_digest(self.image_digest),
            _SIZE_PARAMETER: self.image_size,
        }
        return [_OVERRIDE, parameters, _VENDOR, _REPORT_ALWAYS, _CLASS, _REPORT_ALWAYS]

    def _install_sequence(self) -> list[object]:
        parameters: dict[int, object] = {_URI_PARAMETER: PAYLOAD_URI}
        if self.payload != self._plain_form:
            parameters[_PAYLOAD_PARAMETER] = cbor.encode(self.payload.as_map())
        if self.encryption is not None:
            parameters[_ENCRYPTION_PARAMETER] = self.encryption
        return [_OVERRIDE, parameters, _FETCH, _REPORT_FAILURE, _IMAGE_MATCH, _REPORT_ALWAYS]

    @classmethod
    def decode(cls, data: bytes) -> "Manifest":
        """Read a manifest; raises MalformedCborError for everything that `encode` would not have made."""
        if len(data) > MAXIMUM_MANIFEST_BYTES:
            raise MalformedCborError("The manifest is too long")
        try:
            manifest = _read(cbor.decode(data))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, InvalidPackageFactsError) as error:
            raise MalformedCborError("The manifest lacks something or has something of the wrong type") from error
        if manifest.encode() != data:
            raise MalformedCborError("The manifest is not of the form that modules have")
        return manifest


def suit_digest(digest: bytes) -> bytes:
    """Return an encoded SUIT_Digest."""
    return cbor.encode([_SHA_256, digest])


def _read(manifest: Any) -> Manifest:
    common = cbor.decode(manifest[_COMMON])
    shared = cbor.decode(common[_SHARED_SEQUENCE])[1]
    install = cbor.decode(manifest[_INSTALL])[1]
    encryption, image_size = install.get(_ENCRYPTION_PARAMETER), _whole(shared[_SIZE_PARAMETER])
    form = install.get(_PAYLOAD_PARAMETER)
    return Manifest(
        sequence_number=_whole(manifest[_SEQUENCE_NUMBER]),
        vendor_id=_octets(shared[_VENDOR]),
        class_id=_octets(shared[_CLASS]),
        component=tuple(_octets(part) for part in common[_COMPONENTS][0]),
        image_digest=_octets(cbor.decode(shared[_DIGEST_PARAMETER])[1]),
        image_size=image_size,
        payload=PayloadForm(PayloadEncoding.NONE, image_size)
        if form is None
        else PayloadForm.from_map(cbor.decode(form)),
        descriptor_digest=_octets(manifest[Label.DESCRIPTOR][1]),
        provenance_digest=_severable(manifest, Label.PROVENANCE),
        block_table_digest=_severable(manifest, Label.BLOCK_TABLE),
        encryption=_octets(encryption) if encryption is not None else None,
    )


def _severable(manifest: Any, label: Label) -> bytes | None:
    return _octets(manifest[label][1]) if label in manifest else None


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value


def _octets(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("not bytes")
    return value


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise InvalidPackageFactsError(problem)
