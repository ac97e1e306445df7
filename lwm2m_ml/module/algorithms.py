"""The signature algorithms of this format, by their COSE number, and how each signs and verifies."""

from enum import IntEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
_COORDINATE_BYTES = 32
SIGNATURE_BYTES = 64


class Algorithm(IntEnum):
    """COSE algorithm numbers (RFC 9053 §2): the values of 42769/x/22."""

    EDDSA = -8
    ES256 = -7

    @classmethod
    def of(cls, key: PrivateKey | PublicKey) -> "Algorithm | None":
        """Return the algorithm that a key is for; None when it is for none of these."""
        if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
            return cls.EDDSA
        if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
            return cls.ES256 if isinstance(key.curve, ec.SECP256R1) else None
        return None


def generate(algorithm: Algorithm) -> PrivateKey:
    """Make a new private key."""
    if algorithm is Algorithm.EDDSA:
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def sign(key: PrivateKey, data: bytes) -> bytes:
    """Return the 64-byte signature; ECDSA is deterministic (RFC 6979) where the system's OpenSSL can."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    try:
        signature = key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    except UnsupportedAlgorithm:
        signature = key.sign(data, ec.ECDSA(hashes.SHA256()))
    return b"".join(number.to_bytes(_COORDINATE_BYTES, "big") for number in decode_dss_signature(signature))


def verify(key: PublicKey, signature: bytes, data: bytes) -> bool:
    """Tell whether `signature` is the key's for `data`."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        else:
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
