"""The cipher suites that are spoken: AES-128 in an AEAD mode with SHA-256, nothing older."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM

KEY_BYTES = 16
FIXED_NONCE_BYTES = 4
KEY_BLOCK_BYTES = 2 * (KEY_BYTES + FIXED_NONCE_BYTES)


class Aead(Protocol):
    """One key of an AEAD cipher."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Seal."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Open; raises `cryptography.exceptions.InvalidTag`."""


class KeyExchange(enum.StrEnum):
    """How the two sides come to a secret, and how they prove who they are."""

    PSK = "PSK"  # RFC 4279 §2
    ECDHE_PSK = "ECDHE-PSK"  # RFC 5489
    ECDHE_ECDSA = "ECDHE-ECDSA"  # RFC 8422

    @property
    def has_ephemeral_keys(self) -> bool:
        """Whether recorded sessions stay secret when long-term keys become known."""
        return self is not KeyExchange.PSK

    @property
    def has_shared_key(self) -> bool:
        """Whether a pre-shared key proves who the sides are."""
        return self is not KeyExchange.ECDHE_ECDSA


class GcmOnDemand:
    """AES-GCM whose key is scheduled for each record: OpenSSL's state of 2.5 kB per key is too much for idle peers."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Seal."""
        return AESGCM(self._key).encrypt(nonce, data, associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Open."""
        return AESGCM(self._key).decrypt(nonce, data, associated_data)


def _ccm(key: bytes) -> Aead:
    return AESCCM(key, 16)


def _ccm_8(key: bytes) -> Aead:
    return AESCCM(key, 8)


@dataclass(frozen=True, slots=True)
class Suite:
    """One cipher suite."""

    number: int
    name: str
    key_exchange: KeyExchange
    aead: Callable[[bytes], Aead]
    tag_bytes: int


_PSK, _ECDHE_PSK, _ECDSA = KeyExchange.PSK, KeyExchange.ECDHE_PSK, KeyExchange.ECDHE_ECDSA

SUITES: dict[int, Suite] = {
    suite.number: suite
    for suite in (
        Suite(0xC0AE, "ECDHE-ECDSA-AES128-CCM8", _ECDSA, _ccm_8, 8),  # RFC 7251; mandatory in RFC 7925 §4.4
        Suite(0xC0AC, "ECDHE-ECDSA-AES128-CCM", _ECDSA, _ccm, 16),
        Suite(0xC02B, "ECDHE-ECDSA-AES128-GCM-SHA256", _ECDSA, GcmOnDemand, 16),  # RFC 5289
        Suite(0xD003, "ECDHE-PSK-AES128-CCM8-SHA256", _ECDHE_PSK, _ccm_8, 8),  # RFC 8442
        Suite(0xD005, "ECDHE-PSK-AES128-CCM-SHA256", _ECDHE_PSK, _ccm, 16),
        Suite(0xD001, "ECDHE-PSK-AES128-GCM-SHA256", _ECDHE_PSK, GcmOnDemand, 16),
        Suite(0xC0A8, "PSK-AES128-CCM8", _PSK, _ccm_8, 8),  # RFC 6655; mandatory in RFC 7925 §4.2
        Suite(0xC0A4, "PSK-AES128-CCM", _PSK, _ccm, 16),
        Suite(0x00A8, "PSK-AES128-GCM-SHA256", _PSK, GcmOnDemand, 16),  # RFC 5487
    )
}
