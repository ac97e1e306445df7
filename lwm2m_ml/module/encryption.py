"""Encrypted payloads: COSE_Encrypt (RFC 9052 §5) as draft-ietf-suit-firmware-encryption uses it.

A payload is encrypted once, with a content key of its own. Only that key is encrypted for each device, in the recipient
structure of the manifest's encryption information: with a key that device and server share (A128KW), or with the
device's public X25519 key (ECDH-ES + A128KW).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lwm2m_ml.module import cbor
from lwm2m_ml.module.cose import KEY_ID_BYTES
from lwm2m_ml.module.errors import InvalidPackageFactsError, MalformedCborError, ModuleRejected
from lwm2m_ml.module.results import ModuleResult

A128GCM = 1
A128KW = -3
ECDH_ES_A128KW = -29
TAG_BYTES = 16
CONTENT_KEY_BYTES = 16
_NONCE_BYTES = 12
_ENCRYPT_TAG = b"\xd8\x60"  # tag 96
_ALGORITHM, _KEY_ID, _NONCE, _EPHEMERAL_KEY = 1, 4, 5, -1
_KEY_TYPE, _CURVE, _X = 1, -1, -2
_OKP, _X25519 = 1, 4
_PROTECTED_CONTENT = cbor.encode({_ALGORITHM: A128GCM})
# Enc_structure of RFC 9052 §5.3, without external data: what AES-GCM authenticates beside the payload.
_ENC_STRUCTURE = cbor.encode(["Encrypt", _PROTECTED_CONTENT, b""])
_PROTECTED_AGREEMENT = cbor.encode({_ALGORITHM: ECDH_ES_A128KW})


@dataclass(frozen=True, slots=True)
class EncryptedPayload:
    """A payload encrypted once, for any number of devices. `data` ends with the authentication tag."""

    data: bytes = field(repr=False)
    nonce: bytes
    content_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A key of 16 bytes that one device and the server share. Wraps and unwraps content keys."""

    key: bytes = field(repr=False)
    algorithm: ClassVar[int] = A128KW
    algorithm_name: ClassVar[str] = "A128KW"

    def __post_init__(self) -> None:
        if len(self.key) != CONTENT_KEY_BYTES:
            raise InvalidPackageFactsError("A shared key has 16 bytes")

    @property
    def key_id(self) -> bytes:
        """Eight bytes of the COSE key thumbprint (RFC 9679) of the symmetric key."""
        return sha256(cbor.encode({1: 4, -1: self.key})).digest()[:KEY_ID_BYTES]

    def wrap(self, content_key: bytes) -> list[object]:
        """Return the COSE_recipient."""
        unprotected = {_ALGORITHM: A128KW, _KEY_ID: self.key_id}
        return [b"", unprotected, keywrap.aes_key_wrap(self.key, content_key)]

    def unwrap(self, recipient: Any) -> bytes | None:
        """Return the content key; None when the recipient is not this key's."""
        match recipient:
            case [b"", {1: -3, 4: bytes() as key_id}, bytes() as wrapped] if key_id == self.key_id:
                return _unwrap(self.key, wrapped)
            case _:
                return None


@dataclass(frozen=True, slots=True)
class DevicePublicKey:
    """The X25519 key of a device, which the server knows. Wraps content keys."""

    public_key: X25519PublicKey
    algorithm: ClassVar[int] = ECDH_ES_A128KW
    algorithm_name: ClassVar[str] = "ECDH-ES+A128KW"

    @property
    def key_id(self) -> bytes:
        """Eight bytes of the COSE key thumbprint (RFC 9679)."""
        return sha256(_cose_key(self.public_key)).digest()[:KEY_ID_BYTES]

    def wrap(self, content_key: bytes) -> list[object]:
        """Return the COSE_recipient, with an ephemeral key of its own."""
        ephemeral = X25519PrivateKey.generate()
        wrapping_key = _derive(ephemeral.exchange(self.public_key))
        unprotected = {_KEY_ID: self.key_id, _EPHEMERAL_KEY: cbor.decode(_cose_key(ephemeral.public_key()))}
        return [_PROTECTED_AGREEMENT, unprotected, keywrap.aes_key_wrap(wrapping_key, content_key)]


@dataclass(frozen=True, slots=True)
class DevicePrivateKey:
    """The X25519 key of a device, which only the device knows. Unwraps content keys."""

    private_key: X25519PrivateKey = field(repr=False)
    algorithm: ClassVar[int] = ECDH_ES_A128KW

    @property
    def public(self) -> DevicePublicKey:
        """The public half."""
        return DevicePublicKey(self.private_key.public_key())

    def unwrap(self, recipient: Any) -> bytes | None:
        """Return the content key; None when the recipient is not this key's."""
        match recipient:
            case [bytes() as protected, {4: bytes() as key_id, -1: ephemeral}, bytes() as wrapped]:
                pass
            case _:
                return None
        if protected != _PROTECTED_AGREEMENT or key_id != self.public.key_id:
            return None
        match ephemeral:
            case {1: 1, -1: 4, -2: bytes() as x} if len(x) == 32 and len(ephemeral) == 3:
                pass
            case _:
                return None
        try:
            secret = self.private_key.exchange(X25519PublicKey.from_public_bytes(x))
        except ValueError:  # a point of small order
            return None
        return _unwrap(_derive(secret), wrapped)


WrappingKey = SharedKey | DevicePublicKey
DecryptionKey = SharedKey | DevicePrivateKey


def encrypt(payload: bytes) -> EncryptedPayload:
    """Encrypt a payload with a new content key."""
    content_key, nonce = secrets.token_bytes(CONTENT_KEY_BYTES), secrets.token_bytes(_NONCE_BYTES)
    return EncryptedPayload(AESGCM(content_key).encrypt(nonce, payload, _ENC_STRUCTURE), nonce, content_key)


def encryption_information(payload: EncryptedPayload, recipients: Sequence[WrappingKey]) -> bytes:
    """Return the COSE_Encrypt without ciphertext: what the manifest carries for the devices that it is for."""
    wrapped = [recipient.wrap(payload.content_key) for recipient in recipients]
    return _ENCRYPT_TAG + cbor.encode([_PROTECTED_CONTENT, {_NONCE: payload.nonce}, None, wrapped])


class PayloadDecryptor:
    """Decrypts a payload while it arrives; its tag is checked at the end."""

    def __init__(self, information: bytes, size: int, key: DecryptionKey | None) -> None:
        nonce, recipients = _parse(information)
        unwrapped = (key.unwrap(recipient) for recipient in recipients) if key is not None else ()
        content_key = next((found for found in unwrapped if found is not None), None)
        if content_key is None or size < TAG_BYTES:
            raise _decryption_failed("The payload is encrypted, and not for a key of this device")
        self._stream = Cipher(algorithms.AES(content_key), modes.GCM(nonce)).decryptor()
        self._stream.authenticate_additional_data(_ENC_STRUCTURE)
        self._left = size - TAG_BYTES
        self._tag = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Return what `data` decrypts to."""
        encrypted, tag = data[: self._left], data[self._left :]
        self._left -= len(encrypted)
        self._tag += tag
        return self._stream.update(encrypted)

    def finish(self) -> None:
        """Check the tag; raises ModuleRejected."""
        try:
            self._stream.finalize_with_tag(bytes(self._tag))
        except (InvalidTag, ValueError) as error:
            raise _decryption_failed("The encrypted payload is damaged") from error


def _parse(information: bytes) -> tuple[bytes, list[Any]]:
    """Return nonce and recipients of a COSE_Encrypt with A128GCM."""
    if not information.startswith(_ENCRYPT_TAG):
        raise _decryption_failed("The encryption information is no COSE_Encrypt")
    try:
        value: Any = cbor.decode(information[len(_ENCRYPT_TAG) :])
    except MalformedCborError as error:
        raise _decryption_failed("The encryption information is malformed") from error
    match value:
        case [bytes() as protected, {5: bytes() as nonce}, None, list() as recipients]:
            pass
        case _:
            raise _decryption_failed("The encryption information is no COSE_Encrypt")
    if protected != _PROTECTED_CONTENT or len(nonce) != _NONCE_BYTES:
        raise _decryption_failed("The payload is encrypted in a way that is not supported")
    return nonce, recipients


def _derive(secret: bytes) -> bytes:
    """Derive the wrapping key: HKDF-SHA-256 with the COSE_KDF_Context of RFC 9053 §5.2, parties unnamed."""
    nobody = [None, None, None]
    context = cbor.encode([A128KW, nobody, nobody, [128, _PROTECTED_AGREEMENT]])
    return HKDF(hashes.SHA256(), CONTENT_KEY_BYTES, salt=None, info=context).derive(secret)


def _unwrap(key: bytes, wrapped: bytes) -> bytes | None:
    try:
        content_key = keywrap.aes_key_unwrap(key, wrapped)
    except (keywrap.InvalidUnwrap, ValueError):
        return None
    return content_key if len(content_key) == CONTENT_KEY_BYTES else None


def _cose_key(key: X25519PublicKey) -> bytes:
    return cbor.encode({_KEY_TYPE: _OKP, _CURVE: _X25519, _X: key.public_bytes_raw()})


def _decryption_failed(why: str) -> ModuleRejected:
    return ModuleRejected(ModuleResult.DECRYPTION_FAILED, why)
