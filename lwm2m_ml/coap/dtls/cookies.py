"""Stateless cookies: a peer shows that it receives at its address before it costs anything (RFC 6347 §4.2.1)."""

import hashlib
import hmac
import secrets

from lwm2m_ml.coap.dtls.records import HANDSHAKE, HEADER

COOKIE_BYTES = 20
CLIENT_HELLO = 1
HELLO_VERIFY_REQUEST = 3
DTLS_1_0 = b"\xfe\xff"
"""What a HelloVerifyRequest says, whatever will be spoken."""
HANDSHAKE_HEADER = 12
VERSION_BYTES = 2
RANDOM_BYTES = 32
FRAGMENT_OFFSET = HEADER + 6
OFFSET_BYTES = 3
RANDOM_END = HEADER + HANDSHAKE_HEADER + VERSION_BYTES + RANDOM_BYTES

_BODY = DTLS_1_0 + bytes((COOKIE_BYTES,))
_BODY_LENGTH = (len(_BODY) + COOKIE_BYTES).to_bytes(3)
_MESSAGE = bytes((HELLO_VERIFY_REQUEST,)) + _BODY_LENGTH + bytes(5) + _BODY_LENGTH + _BODY
_MESSAGE_LENGTH = (len(_MESSAGE) + COOKIE_BYTES).to_bytes(2)


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

    def request(self, hello: bytes) -> bytes:
        """The HelloVerifyRequest with the cookie of the peer; its record has the number of the ClientHello's."""
        return b"%c%b%b%b%b%b" % (HANDSHAKE, DTLS_1_0, hello[3:11], _MESSAGE_LENGTH, _MESSAGE, self._cookie)

    def is_good(self, cookie: bytes) -> bool:
        """Whether the peer got this cookie from us."""
        return hmac.compare_digest(cookie, self._cookie)


def client_random(datagram: bytes) -> bytes | None:
    """The random of a ClientHello in epoch 0, by which its repetitions are known; None for any other datagram."""
    if len(datagram) < RANDOM_END or datagram[0] != HANDSHAKE or datagram[3:5] != b"\x00\x00":
        return None
    if datagram[HEADER] != CLIENT_HELLO:
        return None
    return datagram[RANDOM_END - RANDOM_BYTES : RANDOM_END]


def asks_for_cookie(hello: bytes) -> bool:
    """Whether a ClientHello, or the first fragment of one, has no cookie yet where one would follow its session id."""
    cookie_at = RANDOM_END + 1 + int.from_bytes(hello[RANDOM_END : RANDOM_END + 1])
    offset = hello[FRAGMENT_OFFSET : FRAGMENT_OFFSET + OFFSET_BYTES]
    return not any(offset) and hello[cookie_at : cookie_at + 1] == b"\x00"
