"""ClientHello, HelloVerifyRequest and ServerHello (RFC 6347 §4.2.1, RFC 5246 §7.4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from lwm2m_ml.coap.dtls12.errors import MessageError
from lwm2m_ml.coap.dtls12.extensions import Extensions, encode_extensions, parse_extensions
from lwm2m_ml.coap.dtls12.numbers import (
    DTLS_1_0,
    DTLS_1_2,
    DTLS_MAJOR,
    NULL_COMPRESSION,
    RANDOM_BYTES,
    RENEGOTIATION_SIGNAL,
    Alert,
    Extension,
)
from lwm2m_ml.coap.dtls12.vectors import Reader, numbers, vector

VERSION_BYTES = 2
LARGEST_SESSION_ID = 32


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client can do."""

    random: bytes
    suites: tuple[int, ...]
    extensions: Extensions = field(default_factory=dict)
    cookie: bytes = b""
    session_id: bytes = b""

    @classmethod
    def parse(cls, body: bytes) -> ClientHello:
        """Raises MessageError."""
        reader = Reader(body)
        version = reader.take(2)
        if version[0] != DTLS_MAJOR or version[1] > DTLS_1_2[1]:
            raise MessageError("the client does not speak DTLS 1.2", Alert.PROTOCOL_VERSION)
        random = reader.take(RANDOM_BYTES)
        session_id, cookie = reader.vector(1), reader.vector(1)
        suites = numbers(reader.vector(2, least=2), 2)
        compressions = reader.vector(1, least=1)
        if NULL_COMPRESSION not in compressions or len(session_id) > LARGEST_SESSION_ID:
            raise MessageError("a ClientHello is not as it must be", Alert.ILLEGAL_PARAMETER)
        extensions = parse_extensions(reader)
        reader.end()
        return cls(random, tuple(suites), extensions, cookie, session_id)

    def encode(self) -> bytes:
        """The body of the message."""
        return b"".join((
            DTLS_1_2, self.random, vector(self.session_id, 1), vector(self.cookie, 1),
            vector(b"".join(suite.to_bytes(2) for suite in self.suites), 2), vector(bytes((NULL_COMPRESSION,)), 1),
            encode_extensions(self.extensions),
        ))  # fmt: skip

    @property
    def signals_renegotiation(self) -> bool:
        """Whether the client says that it could renegotiate securely (RFC 5746 §3.4)."""
        return RENEGOTIATION_SIGNAL in self.suites or Extension.RENEGOTIATION_INFO in self.extensions


def split_cookie(body: bytes) -> tuple[bytes, bytes]:
    """The cookie of a ClientHello, and all the rest of it, of which nothing else is read. Raises MessageError.

    The rest begins with where the cookie was: moving bytes between the fields around it changes the whole.
    """
    reader = Reader(body)
    reader.take(VERSION_BYTES + RANDOM_BYTES)
    reader.vector(1)
    before = len(body) - reader.rest
    cookie = reader.vector(1)
    return cookie, before.to_bytes(2) + body[:before] + body[len(body) - reader.rest :]


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What the server chose."""

    random: bytes
    suite: int
    extensions: Extensions = field(default_factory=dict)

    @classmethod
    def parse(cls, body: bytes) -> ServerHello:
        """Raises MessageError."""
        reader = Reader(body)
        if reader.take(2) != DTLS_1_2:
            raise MessageError("the server does not speak DTLS 1.2", Alert.PROTOCOL_VERSION)
        random = reader.take(RANDOM_BYTES)
        session_id = reader.vector(1)
        suite = reader.number(2)
        if reader.number(1) != NULL_COMPRESSION or len(session_id) > LARGEST_SESSION_ID:
            raise MessageError("a ServerHello is not as it must be", Alert.ILLEGAL_PARAMETER)
        extensions = parse_extensions(reader)
        reader.end()
        return cls(random, suite, extensions)

    def encode(self) -> bytes:
        """The body of the message; sessions are never resumed by id, so there is none."""
        head = DTLS_1_2 + self.random + vector(b"", 1) + self.suite.to_bytes(2) + bytes((NULL_COMPRESSION,))
        return head + encode_extensions(self.extensions)


def parse_verify_request(body: bytes) -> bytes:
    """The cookie of a HelloVerifyRequest. Raises MessageError."""
    reader = Reader(body)
    if reader.take(1)[0] != DTLS_MAJOR:
        raise MessageError("the server does not speak DTLS", Alert.PROTOCOL_VERSION)
    reader.take(1)
    cookie = reader.vector(1)
    reader.end()
    return cookie


def encode_verify_request(cookie: bytes) -> bytes:
    """The body of a HelloVerifyRequest, which says DTLS 1.0 whatever will be spoken (RFC 6347 §4.2.1)."""
    return DTLS_1_0 + vector(cookie, 1)
