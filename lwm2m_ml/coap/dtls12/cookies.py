"""Stateless cookies: a peer shows that it receives at its address before it costs anything (RFC 6347 §4.2.1)."""

from __future__ import annotations

import hashlib
import hmac
import secrets

COOKIE_BYTES = 20
KEY_BYTES = 32
KEY_LIFETIME = 60.0
"""Seconds; a cookie is good for as long again."""


class HelloCookies:
    """Cookies over the peer's address and all of its ClientHello but the cookie, under keys that change."""

    __slots__ = ("_keys", "_renewed_at")

    def __init__(self, now: float) -> None:
        self._keys = (secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES))
        self._renewed_at = now

    def make(self, address: object, hello: bytes, now: float) -> bytes:
        """The cookie for a peer that says `hello`."""
        self._renew(now)
        return _digest(self._keys[0], address, hello)

    def is_good(self, cookie: bytes, address: object, hello: bytes, now: float) -> bool:
        """Whether the peer at this address got this cookie for the same words, not long ago."""
        self._renew(now)
        return any(hmac.compare_digest(cookie, _digest(key, address, hello)) for key in self._keys)

    def _renew(self, now: float) -> None:
        age = now - self._renewed_at
        if age < KEY_LIFETIME:
            return
        kept = self._keys[0] if age < 2 * KEY_LIFETIME else secrets.token_bytes(KEY_BYTES)
        self._keys = (secrets.token_bytes(KEY_BYTES), kept)
        self._renewed_at = now


def _digest(key: bytes, address: object, hello: bytes) -> bytes:
    text = repr(address).encode()
    return hashlib.blake2b(len(text).to_bytes(2) + text + hello, key=key, digest_size=COOKIE_BYTES).digest()
