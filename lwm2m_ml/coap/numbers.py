"""Numbers of CoAP as plain integers for the byte-level path; `aiocoap.numbers` is the vocabulary above it."""

from typing import Final, NamedTuple

CON: Final = 0
NON: Final = 1
ACK: Final = 2
RST: Final = 3

EMPTY: Final = 0
GET: Final = 1
POST: Final = 2
PUT: Final = 3
DELETE: Final = 4
FETCH: Final = 5
PATCH: Final = 6
IPATCH: Final = 7
SAFE_METHODS: Final = frozenset({GET, FETCH})

CREATED: Final = 0x41
DELETED: Final = 0x42
VALID: Final = 0x43
CHANGED: Final = 0x44
CONTENT: Final = 0x45
CONTINUE: Final = 0x5F
BAD_REQUEST: Final = 0x80
UNAUTHORIZED: Final = 0x81
BAD_OPTION: Final = 0x82
FORBIDDEN: Final = 0x83
NOT_FOUND: Final = 0x84
METHOD_NOT_ALLOWED: Final = 0x85
REQUEST_ENTITY_INCOMPLETE: Final = 0x88
REQUEST_ENTITY_TOO_LARGE: Final = 0x8D
INTERNAL_SERVER_ERROR: Final = 0xA0
SERVICE_UNAVAILABLE: Final = 0xA3
PROXYING_NOT_SUPPORTED: Final = 0xA5

IF_MATCH: Final = 1
URI_HOST: Final = 3
ETAG: Final = 4
IF_NONE_MATCH: Final = 5
OBSERVE: Final = 6
URI_PORT: Final = 7
LOCATION_PATH: Final = 8
OSCORE: Final = 9
URI_PATH: Final = 11
CONTENT_FORMAT: Final = 12
MAX_AGE: Final = 14
URI_QUERY: Final = 15
HOP_LIMIT: Final = 16
ACCEPT: Final = 17
Q_BLOCK1: Final = 19
LOCATION_QUERY: Final = 20
BLOCK2: Final = 23
BLOCK1: Final = 27
SIZE2: Final = 28
Q_BLOCK2: Final = 31
PROXY_URI: Final = 35
PROXY_SCHEME: Final = 39
SIZE1: Final = 60
ECHO: Final = 252
NO_RESPONSE: Final = 258
REQUEST_TAG: Final = 292


class OptionFormat(NamedTuple):
    """How often an option may occur and how long its value may be."""

    repeatable: bool
    minimum: int
    maximum: int


OPTION_FORMATS: Final[dict[int, OptionFormat]] = {
    IF_MATCH: OptionFormat(True, 0, 8),
    URI_HOST: OptionFormat(False, 1, 255),
    ETAG: OptionFormat(True, 1, 8),
    IF_NONE_MATCH: OptionFormat(False, 0, 0),
    OBSERVE: OptionFormat(False, 0, 3),
    URI_PORT: OptionFormat(False, 0, 2),
    LOCATION_PATH: OptionFormat(True, 0, 255),
    OSCORE: OptionFormat(False, 0, 255),
    URI_PATH: OptionFormat(True, 0, 255),
    CONTENT_FORMAT: OptionFormat(False, 0, 2),
    MAX_AGE: OptionFormat(False, 0, 4),
    URI_QUERY: OptionFormat(True, 0, 255),
    HOP_LIMIT: OptionFormat(False, 1, 1),
    ACCEPT: OptionFormat(False, 0, 2),
    LOCATION_QUERY: OptionFormat(True, 0, 255),
    BLOCK2: OptionFormat(False, 0, 3),
    BLOCK1: OptionFormat(False, 0, 3),
    SIZE2: OptionFormat(False, 0, 4),
    Q_BLOCK1: OptionFormat(False, 0, 3),
    Q_BLOCK2: OptionFormat(True, 0, 3),
    PROXY_URI: OptionFormat(False, 1, 1034),
    PROXY_SCHEME: OptionFormat(False, 1, 255),
    SIZE1: OptionFormat(False, 0, 4),
    ECHO: OptionFormat(False, 1, 40),
    NO_RESPONSE: OptionFormat(False, 0, 1),
    REQUEST_TAG: OptionFormat(True, 0, 8),
}
"""Every option this endpoint understands: RFC 7252 §5.10, 7641, 7959, 7967, 8613, 8768, 9175, 9177."""
