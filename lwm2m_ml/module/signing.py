"""Keys that sign modules and keys that verify them, their files, and their identifiers.

A key's identifier is its COSE key thumbprint (RFC 9679): the same for the private and the public half, and what
devices list as trust anchors in 42769/x/24. Private keys are written encrypted, readable by their owner only.
"""

import os
import pathlib
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from lwm2m_ml.module import algorithms, cbor
from lwm2m_ml.module.algorithms import Algorithm, PrivateKey, PublicKey
from lwm2m_ml.module.errors import KeyFileError, MalformedCborError

__all__ = ["Algorithm", "SigningKey", "VerificationKey", "read_secret"]

MAXIMUM_KEY_FILE_BYTES = 16384
_KEY_TYPE, _CURVE, _X, _Y = 1, -1, -2, -3
_OKP, _EC2 = 1, 2
_P256, _ED25519 = 1, 6


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """The public half: what a device trusts."""

    public_key: PublicKey

    def __post_init__(self) -> None:
        _require_algorithm(self.public_key)

    @property
    def algorithm(self) -> Algorithm:
        """What its signatures are made with."""
        return _require_algorithm(self.public_key)

    @property
    def key_id(self) -> bytes:
        """COSE key thumbprint (RFC 9679): SHA-256 of the required parameters in deterministic CBOR."""
        return sha256(self.to_cose_key()).digest()

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Tell whether `signature` is this key's for `data`."""
        return algorithms.verify(self.public_key, signature, data)

    def to_cose_key(self) -> bytes:
        """Return the COSE_Key (RFC 9052 §7) with the required parameters only."""
        if isinstance(self.public_key, ed25519.Ed25519PublicKey):
            return cbor.encode({_KEY_TYPE: _OKP, _CURVE: _ED25519, _X: self.public_key.public_bytes_raw()})
        numbers = self.public_key.public_numbers()
        coordinates = {_X: numbers.x.to_bytes(32, "big"), _Y: numbers.y.to_bytes(32, "big")}
        return cbor.encode({_KEY_TYPE: _EC2, _CURVE: _P256, **coordinates})

    @classmethod
    def from_cose_key(cls, data: bytes) -> "VerificationKey":
        """Read what `to_cose_key` made; raises KeyFileError."""
        try:
            return cls(_from_cose_map(cbor.decode(data)))
        except (MalformedCborError, ValueError, TypeError, KeyError) as error:
            raise KeyFileError("A COSE_Key is malformed or of a kind that is not supported") from error

    def to_pem(self) -> bytes:
        """Return the key as PEM."""
        return self.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    @classmethod
    def from_pem(cls, data: bytes) -> "VerificationKey":
        """Read a public key from PEM; raises KeyFileError."""
        try:
            key = serialization.load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyFileError("This is not a public key in PEM") from error
        return cls(_supported_public(key))

    @classmethod
    def load(cls, path: pathlib.Path) -> "VerificationKey":
        """Read a PEM file; raises KeyFileError."""
        return cls.from_pem(_read(path))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half. Its representation shows nothing of it."""

    private_key: PrivateKey

    def __post_init__(self) -> None:
        _require_algorithm(self.private_key)

    @classmethod
    def generate(cls, algorithm: Algorithm = Algorithm.EDDSA) -> "SigningKey":
        """Make a new key."""
        return cls(algorithms.generate(algorithm))

    @property
    def algorithm(self) -> Algorithm:
        """What it signs with."""
        return _require_algorithm(self.private_key)

    @property
    def verification_key(self) -> VerificationKey:
        """The public half."""
        return VerificationKey(self.private_key.public_key())

    @property
    def key_id(self) -> bytes:
        """COSE key thumbprint (RFC 9679)."""
        return self.verification_key.key_id

    def sign(self, data: bytes) -> bytes:
        """Return the signature, 64 bytes for either algorithm."""
        return algorithms.sign(self.private_key, data)

    def to_pem(self, secret: bytes) -> bytes:
        """Return the key as PKCS #8 in PEM, encrypted with `secret`; raises KeyFileError when that is empty."""
        if not secret:
            raise KeyFileError(
                "A private key is not written unencrypted", hint="Give a passphrase, or a file that holds one"
            )
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(secret),
        )

    @classmethod
    def from_pem(cls, data: bytes, secret: bytes | None) -> "SigningKey":
        """Read a key from PEM; raises KeyFileError when the secret is wrong or missing, or the key not for signing."""
        try:
            key = serialization.load_pem_private_key(data, password=secret or None)
        except TypeError as error:
            hint = "Give its passphrase" if not secret else "Give no passphrase"
            raise KeyFileError("The private key's encryption is not as told", hint=hint) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyFileError("The private key cannot be read: wrong passphrase, or not a key in PEM") from error
        if not isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
            raise KeyFileError("The private key is neither for Ed25519 nor for ES256")
        return cls(key)

    def save(self, path: pathlib.Path, secret: bytes) -> None:
        """Write a new file that only its owner can read; raises KeyFileError when there is one already."""
        data = self.to_pem(secret)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError as error:
            raise KeyFileError(f"The key file {path} cannot be written: {error.strerror}") from error

    @classmethod
    def load(cls, path: pathlib.Path, secret: bytes | None) -> "SigningKey":
        """Read a file that `save` wrote; raises KeyFileError."""
        return cls.from_pem(_read(path), secret)

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm.name}, {self.key_id.hex()[:16]}…)"


def read_secret(path: pathlib.Path) -> bytes:
    """Return the passphrase that a file holds, without the end of its line; raises KeyFileError."""
    secret = _read(path).rstrip(b"\r\n")
    if not secret:
        raise KeyFileError(f"The file {path} holds no passphrase")
    return secret


def _read(path: pathlib.Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"The key file {path} cannot be read: {error.strerror}") from error
    if len(data) > MAXIMUM_KEY_FILE_BYTES:
        raise KeyFileError(f"{path} is too long for a key file")
    return data


def _require_algorithm(key: PrivateKey | PublicKey) -> Algorithm:
    algorithm = Algorithm.of(key)
    if algorithm is None:
        raise KeyFileError("A key is neither for Ed25519 nor for ES256", hint="Make one with: lwm2m-ml keys new")
    return algorithm


def _supported_public(key: object) -> PublicKey:
    if not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        raise KeyFileError("The public key is neither for Ed25519 nor for ES256")
    return key


def _from_cose_map(value: Any) -> PublicKey:
    if not isinstance(value, dict):
        raise TypeError("map")
    x, y = value[_X], value.get(_Y)
    if (value[_KEY_TYPE], value[_CURVE]) == (_OKP, _ED25519) and isinstance(x, bytes) and len(value) == 3:
        return ed25519.Ed25519PublicKey.from_public_bytes(x)
    if (value[_KEY_TYPE], value[_CURVE]) != (_EC2, _P256) or len(value) != 4:
        raise KeyError("kind of key")
    if not isinstance(x, bytes) or not isinstance(y, bytes) or len(x) != 32 or len(y) != 32:
        raise KeyError("coordinates")
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1())
    return numbers.public_key()
