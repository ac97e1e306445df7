"""Stateless cookies: a peer shows that it receives at its address before it costs anything (RFC 6347 §4.2.1)."""

import hashlib
import hmac
import secrets

COOKIE_BYTES = 20
HANDSHAKE = 22
CLIENT_HELLO = 1
RECORD_HEADER = 13
HANDSHAKE_HEADER = 12
VERSION_BYTES = 2
RANDOM_BYTES = 32


class Cookies:
    """Cookies for one peer at a time: OpenSSL's callbacks do not say for whom they ask, and ask more than once."""

    __slots__ = ("_cookie", "_key")

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._cookie = b""

    def attend(self, address: object) -> None:
        """What is asked from now on is about the peer at this address."""
        self._cookie = hashlib.blake2b(repr(address).encode(), key=self._key, digest_size=COOKIE_BYTES).digest()

    def make(self) -> bytes:
        """The cookie of the peer."""
        return self._cookie

    def is_good(self, cookie: bytes) -> bool:
        """Whether the peer got this cookie from us."""
        return hmac.compare_digest(cookie, self._cookie)


def client_random(datagram: bytes) -> bytes | None:
    """The random of a ClientHello in epoch 0, by which its repetitions are known; None for any other datagram."""
    start = RECORD_HEADER + HANDSHAKE_HEADER + VERSION_BYTES
    if len(datagram) < start + RANDOM_BYTES or datagram[0] != HANDSHAKE or datagram[3:5] != b"\x00\x00":
        return None
    if datagram[RECORD_HEADER] != CLIENT_HELLO:
        return None
    return datagram[start : start + RANDOM_BYTES]
