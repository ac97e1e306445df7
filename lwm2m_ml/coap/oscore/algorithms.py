"""The algorithms of a context by their COSE numbers (RFC 9053 §4, §5.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

A128GCM: Final = 1
AES_CCM_16_64_128: Final = 10
HKDF_SHA_256: Final = -10
HKDF_SHA_512: Final = -11
PARTIAL_IV_BYTES = 5
"""In a nonce (RFC 8613 §5.2)."""


class Cipher(Protocol):
    """What `cryptography` offers for every AEAD."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Ciphertext and tag."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Plaintext; raises InvalidTag."""


@dataclass(frozen=True, slots=True)
class AeadAlgorithm:
    """Sizes in bytes, and how to make a cipher of a key."""

    number: int
    key_bytes: int
    nonce_bytes: int
    tag_bytes: int
    cipher: Callable[[bytes], Cipher]

    @property
    def largest_id(self) -> int:
        """A sender id shares the nonce with its length and the partial IV (RFC 8613 §3.3)."""
        return self.nonce_bytes - PARTIAL_IV_BYTES - 1


def _ccm(number: int, key_bytes: int, nonce_bytes: int, tag_bytes: int) -> AeadAlgorithm:
    return AeadAlgorithm(number, key_bytes, nonce_bytes, tag_bytes, lambda key: AESCCM(key, tag_bytes))


AEAD_ALGORITHMS: Final = {
    algorithm.number: algorithm
    for algorithm in (
        AeadAlgorithm(A128GCM, 16, 12, 16, AESGCM),
        AeadAlgorithm(2, 24, 12, 16, AESGCM),
        AeadAlgorithm(3, 32, 12, 16, AESGCM),
        _ccm(AES_CCM_16_64_128, 16, 13, 8),
        _ccm(11, 32, 13, 8),
        AeadAlgorithm(24, 32, 12, 16, ChaCha20Poly1305),
        _ccm(30, 16, 13, 16),
        _ccm(31, 32, 13, 16),
    )
}
HKDF_HASHES: Final[dict[int, Callable[[], hashes.HashAlgorithm]]] = {
    HKDF_SHA_256: hashes.SHA256,
    HKDF_SHA_512: hashes.SHA512,
}
