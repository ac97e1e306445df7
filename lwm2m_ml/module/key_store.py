"""Keeps signing keys: new ones, a change with overlap, revocation, and the trust list that tells devices of it.

A store is a folder: one encrypted PEM file for each private key, and `keys.json`. The root key should live elsewhere
than the keys that sign modules; a store without root does everything but sign trust lists.
"""

import pathlib
from collections.abc import Callable
from dataclasses import replace

from lwm2m_ml.errors import ConflictError, NotFoundError
from lwm2m_ml.module.errors import KeyFileError
from lwm2m_ml.module.key_index import KeyIndex, KeyRecord, KeyState, Purpose, replace_file
from lwm2m_ml.module.signing import Algorithm, SigningKey, VerificationKey
from lwm2m_ml.module.trust_list import TrustedKey, TrustList

DEFAULT_OVERLAP_SECONDS = 30 * 24 * 3600
_INDEX = "keys.json"
_TRUST_LIST = "trust-list.cbor"
_SHORTEST_PREFIX = 6


class KeyStore:
    """The keys in one folder, made when it is needed. `secret` encrypts private ones; `clock` gives Unix seconds."""

    def __init__(self, folder: pathlib.Path, secret: bytes, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._secret = secret
        self._clock = clock

    def list(self) -> tuple[KeyRecord, ...]:
        """Return what is known of all keys, oldest first."""
        return self._index().keys

    def new(self, purpose: Purpose = Purpose.MODULES, algorithm: Algorithm = Algorithm.EDDSA) -> KeyRecord:
        """Make a key; raises ConflictError when there is an active one for this purpose."""
        self.check_no_active(purpose)
        return self._add(self._index(), purpose, algorithm)

    def check_no_active(self, purpose: Purpose) -> None:
        """Raise ConflictError when there is an active key for a purpose."""
        if self.find_active(purpose) is not None:
            raise ConflictError(f"There is an active key for {purpose}", hint="Replace it with: lwm2m-ml keys rotate")

    def rotate(self, overlap_seconds: int = DEFAULT_OVERLAP_SECONDS, algorithm: Algorithm | None = None) -> KeyRecord:
        """Replace the active key for modules; what the old one signed stays accepted for `overlap_seconds`."""
        old = self.retired(overlap_seconds)
        return self._add(self._index().with_key(old), Purpose.MODULES, algorithm or Algorithm[old.algorithm])

    def retired(self, overlap_seconds: int) -> KeyRecord:
        """Return the active key for modules as a rotation would leave it; raises NotFoundError."""
        until = int(self._clock()) + overlap_seconds
        return replace(self.active(), state=KeyState.RETIRING, valid_until=until)

    def revoke(self, key: str) -> KeyRecord:
        """Refuse for ever what a key signed; `key` is its identifier or the beginning of it."""
        revoked = self.revoked(key)
        self._save(self._index().with_key(revoked))
        return revoked

    def revoked(self, key: str) -> KeyRecord:
        """Return a key as a revocation would leave it; raises NotFoundError."""
        return replace(self.find(key), state=KeyState.REVOKED)

    def find(self, key: str) -> KeyRecord:
        """Return the one key whose identifier begins so; raises NotFoundError."""
        found = [record for record in self.list() if record.key_id.startswith(key.lower())]
        if len(key) < _SHORTEST_PREFIX or len(found) != 1:
            what = "Several keys have" if len(found) > 1 else "No key has"
            raise NotFoundError(f"{what} the identifier {key!r}", hint=f"Give {_SHORTEST_PREFIX} digits or more of it")
        return found[0]

    def active(self, purpose: Purpose = Purpose.MODULES) -> KeyRecord:
        """Return what is known of the active key; raises NotFoundError."""
        record = self.find_active(purpose)
        if record is None:
            raise NotFoundError(f"There is no active key for {purpose}", hint="Make one with: lwm2m-ml keys new")
        return record

    def find_active(self, purpose: Purpose) -> KeyRecord | None:
        """Return what is known of the active key, None when there is none."""
        active = (record for record in self.list() if record.purpose is purpose and record.state is KeyState.ACTIVE)
        return next(active, None)

    def signing_key(self, purpose: Purpose = Purpose.MODULES) -> SigningKey:
        """Return the active key; raises NotFoundError."""
        return SigningKey.load(self._path(self.active(purpose)), self._secret)

    def verification_key(self, record: KeyRecord) -> VerificationKey:
        """Return the public half of a key."""
        return VerificationKey.load(self._path(record).with_suffix(".pub.pem"))

    def trust_list(self, of: "KeyStore | None" = None) -> bytes:
        """Sign a trust list of a new version, with the keys as they are now: this store's, or those of another one."""
        root = self.signing_key(Purpose.ROOT)
        unsigned = self.next_trust_list(of)
        signed = unsigned.sign(root)
        self._save(replace(self._index(), trust_list_version=unsigned.version))
        return signed

    def next_trust_list(self, of: "KeyStore | None" = None) -> TrustList:
        """Return the trust list that would be signed now."""
        now, source = self._clock(), of or self
        version = max(self._index().trust_list_version, source._index().trust_list_version) + 1
        modules = [record for record in source.list() if record.purpose is Purpose.MODULES]
        listed = tuple(
            TrustedKey(source.verification_key(record), valid_until=record.valid_until)
            for record in modules
            if record.state is not KeyState.REVOKED and (record.valid_until is None or record.valid_until > now)
        )
        revoked = tuple(bytes.fromhex(record.key_id) for record in modules if record.state is KeyState.REVOKED)
        return TrustList(version, listed, revoked)

    def publish_trust_list(self) -> bytes | None:
        """Sign a trust list and keep it for devices; None, and nothing changes, when the root key is elsewhere."""
        if self.find_active(Purpose.ROOT) is None:
            return None
        signed = self.trust_list()
        self.keep_trust_list(signed)
        return signed

    def keep_trust_list(self, signed: bytes) -> None:
        """Keep a list for devices in place of the one before; whoever reads meanwhile gets either whole."""
        self._make_folder()
        replace_file(self._folder / _TRUST_LIST, signed)

    def published_trust_list(self) -> bytes | None:
        """Return the list that devices should have; None when none was ever published."""
        try:
            return (self._folder / _TRUST_LIST).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyFileError(f"The trust list in {self._folder} cannot be read: {error.strerror}") from error

    def _add(self, index: KeyIndex, purpose: Purpose, algorithm: Algorithm) -> KeyRecord:
        """Write the files before the index: a key that the index names is always there."""
        key = SigningKey.generate(algorithm)
        record = KeyRecord(key.key_id.hex(), purpose, algorithm.name, KeyState.ACTIVE, int(self._clock()))
        self._make_folder()
        key.save(self._path(record), self._secret)
        self._path(record).with_suffix(".pub.pem").write_bytes(key.verification_key.to_pem())
        self._save(index.with_key(record))
        return record

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise KeyFileError(f"The folder {self._folder} cannot be made: {error.strerror}") from error

    def _path(self, record: KeyRecord) -> pathlib.Path:
        return self._folder / f"{record.key_id[:16]}.pem"

    def _index(self) -> KeyIndex:
        return KeyIndex.load(self._folder / _INDEX)

    def _save(self, index: KeyIndex) -> None:
        index.save(self._folder / _INDEX)
