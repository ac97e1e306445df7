"""Hello extensions: a dictionary from number to content, and what is in them (RFC 5246 §7.4.1.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lwm2m_ml.coap.dtls12.errors import MessageError
from lwm2m_ml.coap.dtls12.numbers import (
    ECDSA_SHA256,
    HOST_NAME,
    SECP256R1,
    UNCOMPRESSED,
    Alert,
    CertificateType,
    Extension,
)
from lwm2m_ml.coap.dtls12.vectors import Reader, numbers, vector

Extensions = Mapping[int, bytes]
MOST_EXTENSIONS = 32

GROUPS = vector(SECP256R1.to_bytes(2), 2)
POINT_FORMATS = vector(bytes((UNCOMPRESSED,)), 1)
SIGNATURES = vector(ECDSA_SHA256, 2)
NO_RENEGOTIATION = vector(b"", 1)


def parse_extensions(reader: Reader) -> dict[int, bytes]:
    """All extensions of a hello; there may be none at all. Raises MessageError, also for one that comes twice."""
    if not reader.rest:
        return {}
    inner = Reader(reader.vector(2))
    found: dict[int, bytes] = {}
    while inner.rest:
        number = inner.number(2)
        if number in found or len(found) >= MOST_EXTENSIONS:
            raise MessageError("an extension comes twice, or there are too many", Alert.ILLEGAL_PARAMETER)
        found[number] = inner.vector(2)
    return found


def encode_extensions(extensions: Extensions) -> bytes:
    """The end of a hello; nothing at all when there is no extension."""
    if not extensions:
        return b""
    return vector(b"".join(number.to_bytes(2) + vector(content, 2) for number, content in extensions.items()), 2)


def connection_id(extensions: Extensions) -> bytes | None:
    """The id under which the peer wants records; None when it does not speak of ids at all (RFC 9146 §3)."""
    content = extensions.get(Extension.CONNECTION_ID)
    if content is None:
        return None
    reader = Reader(content)
    cid = reader.vector(1)
    reader.end()
    return cid


def offers_group(extensions: Extensions) -> bool:
    """Whether the peer can do P-256; one that does not say is taken at that (RFC 8422 §4)."""
    content = extensions.get(Extension.SUPPORTED_GROUPS)
    return content is None or SECP256R1 in numbers(Reader(content).vector(2), 2)


def accepts_signatures(extensions: Extensions) -> bool:
    """Whether the peer checks ECDSA with SHA-256; one that does not say is taken at that (RFC 5246 §7.4.1.4.1)."""
    content = extensions.get(Extension.SIGNATURE_ALGORITHMS)
    return content is None or int.from_bytes(ECDSA_SHA256) in numbers(Reader(content).vector(2), 2)


def offered_types(extensions: Extensions, extension: Extension) -> tuple[int, ...]:
    """The certificate types in a ClientHello, best first; X.509 when it does not say (RFC 7250 §4.1)."""
    content = extensions.get(extension)
    return (CertificateType.X509,) if content is None else tuple(Reader(content).vector(1, least=1))


def chosen_type(extensions: Extensions, extension: Extension, offered: Sequence[CertificateType]) -> CertificateType:
    """The certificate type in a ServerHello, which must be one of those offered."""
    content = extensions.get(extension)
    number = CertificateType.X509 if content is None else Reader(content).number(1)
    for kind in offered:
        if kind == number:
            return kind
    raise MessageError("the server chose a certificate type that was not offered", Alert.UNSUPPORTED_CERTIFICATE)


def server_name(extensions: Extensions) -> str:
    """The host name that the client asks for, in lower case; empty: none (RFC 6066 §3)."""
    content = extensions.get(Extension.SERVER_NAME)
    if not content:
        return ""
    names = Reader(Reader(content).vector(2))
    while names.rest:
        kind, name = names.number(1), names.vector(2)
        if kind == HOST_NAME:
            return name.decode("ascii", "replace").lower()
    return ""


def encode_server_name(name: str) -> bytes:
    """The extension that asks for a host name."""
    return vector(bytes((HOST_NAME,)) + vector(name.encode("idna"), 2), 2)
