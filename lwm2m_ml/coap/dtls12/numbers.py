"""The numbers of DTLS 1.2 that are in use here (RFC 6347, RFC 5246 Appendix A, IANA's TLS registries)."""

from __future__ import annotations

import enum

DTLS_1_2 = b"\xfe\xfd"
DTLS_1_0 = b"\xfe\xff"
DTLS_MAJOR = 0xFE
"""Records of a first ClientHello carry whatever minor version the client likes (RFC 6347 §4.2.1)."""

CHANGE_CIPHER_SPEC = 20
ALERT = 21
HANDSHAKE = 22
APPLICATION_DATA = 23
TLS12_CID = 25
"""A record whose true type is encrypted and whose header carries a connection id (RFC 9146 §4)."""

RANDOM_BYTES = 32
VERIFY_DATA_BYTES = 12
MASTER_SECRET_BYTES = 48
NULL_COMPRESSION = 0
RENEGOTIATION_SIGNAL = 0x00FF
"""TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746 §3.3)."""
SECP256R1 = 23
NAMED_CURVE = 3
UNCOMPRESSED = 0
ECDSA_SHA256 = b"\x04\x03"
ECDSA_SIGN = 64
HOST_NAME = 0
PSK_LENGTHS = range(1, 65)
"""Bytes of a pre-shared key; RFC 4279 §5.3 asks for at least 64, and nobody uses more."""


class HandshakeType(enum.IntEnum):
    """RFC 5246 §7.4, RFC 6347 §4.3.2."""

    HELLO_REQUEST = 0
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    HELLO_VERIFY_REQUEST = 3
    CERTIFICATE = 11
    SERVER_KEY_EXCHANGE = 12
    CERTIFICATE_REQUEST = 13
    SERVER_HELLO_DONE = 14
    CERTIFICATE_VERIFY = 15
    CLIENT_KEY_EXCHANGE = 16
    FINISHED = 20


class Extension(enum.IntEnum):
    """Hello extensions that mean something here; all others are skipped (RFC 5246 §7.4.1.4)."""

    SERVER_NAME = 0
    SUPPORTED_GROUPS = 10
    POINT_FORMATS = 11
    SIGNATURE_ALGORITHMS = 13
    CLIENT_CERTIFICATE_TYPE = 19
    SERVER_CERTIFICATE_TYPE = 20
    EXTENDED_MASTER_SECRET = 23
    CONNECTION_ID = 54
    RENEGOTIATION_INFO = 0xFF01


class CertificateType(enum.IntEnum):
    """RFC 7250 §3."""

    X509 = 0
    RAW_PUBLIC_KEY = 2


class Alert(enum.IntEnum):
    """RFC 5246 §7.2.2, RFC 4279 §6."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    HANDSHAKE_FAILURE = 40
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_UNKNOWN = 46
    ILLEGAL_PARAMETER = 47
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    PROTOCOL_VERSION = 70
    INTERNAL_ERROR = 80
    USER_CANCELED = 90
    NO_RENEGOTIATION = 100
    UNSUPPORTED_EXTENSION = 110
    UNKNOWN_PSK_IDENTITY = 115


WARNING = 1
FATAL = 2
