"""The other messages of a handshake, as bodies (RFC 5246 §7.4, RFC 4279, RFC 5489, RFC 8422, RFC 7250)."""

from __future__ import annotations

from dataclasses import dataclass

from lwm2m_ml.coap.dtls12.errors import MessageError
from lwm2m_ml.coap.dtls12.numbers import (
    ECDSA_SHA256,
    ECDSA_SIGN,
    NAMED_CURVE,
    SECP256R1,
    Alert,
    CertificateType,
)
from lwm2m_ml.coap.dtls12.signatures import Shown
from lwm2m_ml.coap.dtls12.suites import KeyExchange
from lwm2m_ml.coap.dtls12.vectors import Reader, numbers, vector, vectors

MOST_CERTIFICATES = 10
LONGEST_IDENTITY = 512
"""Bytes of a PSK identity; RFC 4279 §5.3 asks for at least 128."""


@dataclass(frozen=True, slots=True)
class ServerKeyExchange:
    """The server's ephemeral key, signed or not; `parameters` is what the signature is over."""

    point: bytes = b""
    parameters: bytes = b""
    signature: bytes = b""

    @classmethod
    def parse(cls, body: bytes, exchange: KeyExchange) -> ServerKeyExchange:
        """Raises MessageError."""
        reader = Reader(body)
        if exchange.has_shared_key:
            reader.vector(2)  # the identity hint, which is for people (RFC 4279 §5.2)
        if exchange is KeyExchange.PSK:
            reader.end()
            return cls()
        begin = len(body) - reader.rest
        if (reader.number(1), reader.number(2)) != (NAMED_CURVE, SECP256R1):
            raise MessageError("the server chose a curve that was not offered", Alert.ILLEGAL_PARAMETER)
        point = reader.vector(1, least=1)
        parameters = body[begin : len(body) - reader.rest]
        signature = b"" if exchange.has_shared_key else parse_signature(reader)
        reader.end()
        return cls(point, parameters, signature)


def ecdh_parameters(point: bytes) -> bytes:
    """The server's half of a key exchange on P-256 (RFC 8422 §5.4)."""
    return bytes((NAMED_CURVE,)) + SECP256R1.to_bytes(2) + vector(point, 1)


def encode_signature(signature: bytes) -> bytes:
    """A signature with its algorithm (RFC 5246 §4.7)."""
    return ECDSA_SHA256 + vector(signature, 2)


def parse_signature(reader: Reader) -> bytes:
    """The signature; raises MessageError when it is of an algorithm that was not offered."""
    if reader.take(2) != ECDSA_SHA256:
        raise MessageError("the peer signed with an algorithm that was not offered", Alert.ILLEGAL_PARAMETER)
    return reader.vector(2)


def parse_certificate_verify(body: bytes) -> bytes:
    """The signature of a CertificateVerify."""
    reader = Reader(body)
    signature = parse_signature(reader)
    reader.end()
    return signature


@dataclass(frozen=True, slots=True)
class ClientKeyExchange:
    """The client's PSK identity, its ephemeral key, or both."""

    identity: bytes = b""
    point: bytes = b""

    @classmethod
    def parse(cls, body: bytes, exchange: KeyExchange) -> ClientKeyExchange:
        """Raises MessageError."""
        reader = Reader(body)
        identity = reader.vector(2) if exchange.has_shared_key else b""
        point = reader.vector(1, least=1) if exchange.has_ephemeral_keys else b""
        reader.end()
        if len(identity) > LONGEST_IDENTITY:
            raise MessageError("a PSK identity is too long", Alert.ILLEGAL_PARAMETER)
        return cls(identity, point)

    def encode(self, exchange: KeyExchange) -> bytes:
        """The body of the message."""
        identity = vector(self.identity, 2) if exchange.has_shared_key else b""
        return identity + (vector(self.point, 1) if exchange.has_ephemeral_keys else b"")


def parse_certificate(body: bytes, kind: CertificateType) -> Shown:
    """What the peer shows: a list of certificates, or one bare key without a list (RFC 7250 §3)."""
    reader = Reader(body)
    content = reader.vector(3)
    reader.end()
    if kind is CertificateType.RAW_PUBLIC_KEY:
        return Shown(kind, (content,) if content else ())
    entries = tuple(vectors(content, 3))
    if len(entries) > MOST_CERTIFICATES:
        raise MessageError("the peer shows too many certificates", Alert.BAD_CERTIFICATE)
    return Shown(kind, entries)


def encode_certificate(shown: Shown) -> bytes:
    """The body of a Certificate message."""
    if shown.kind is CertificateType.RAW_PUBLIC_KEY:
        return vector(shown.entries[0], 3)
    return vector(b"".join(vector(entry, 3) for entry in shown.entries), 3)


NO_CERTIFICATE = vector(b"", 3)
CERTIFICATE_REQUEST = vector(bytes((ECDSA_SIGN,)), 1) + vector(ECDSA_SHA256, 2) + vector(b"", 2)
"""Any authority, as long as the key is for ECDSA (RFC 5246 §7.4.4)."""


def accepts_our_key(body: bytes) -> bool:
    """Whether a CertificateRequest is content with ECDSA and SHA-256. Raises MessageError."""
    reader = Reader(body)
    types = reader.vector(1, least=1)
    signatures = numbers(reader.vector(2), 2)
    list(vectors(reader.vector(2), 2))  # authorities that the server knows: we have one certificate only
    reader.end()
    return ECDSA_SIGN in types and int.from_bytes(ECDSA_SHA256) in signatures
