"""Signalling messages (RFC 8323 §5): what the two sides tell each other about the connection."""

from __future__ import annotations

from dataclasses import dataclass

from lwm2m_ml.coap.codec import encode_options, encode_tail, parse_options
from lwm2m_ml.coap.errors import UnusableOption
from lwm2m_ml.coap.options import encode_uint

CSM = 0xE1
PING = 0xE2
PONG = 0xE3
RELEASE = 0xE4
ABORT = 0xE5
SIGNALS = range(0xE0, 0x100)

MAX_MESSAGE_SIZE = 2
BLOCK_WISE_TRANSFER = 4
CUSTODY = 2
ALTERNATIVE_ADDRESS = 2
HOLD_OFF = 4
BAD_CSM_OPTION = 2

KNOWN_OPTIONS = {
    CSM: {MAX_MESSAGE_SIZE, BLOCK_WISE_TRANSFER},
    PING: {CUSTODY},
    PONG: {CUSTODY},
    RELEASE: {ALTERNATIVE_ADDRESS, HOLD_OFF},
    ABORT: {BAD_CSM_OPTION},
}
DEFAULT_MAX_MESSAGE_SIZE = 1152


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a Capabilities and Settings Message says (RFC 8323 §5.3)."""

    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE
    block_wise: bool = False

    def encode(self) -> bytes:
        """The body of the message."""
        options = [(MAX_MESSAGE_SIZE, encode_uint(self.max_message_size))]
        if self.block_wise:
            options.append((BLOCK_WISE_TRANSFER, b""))
        return encode_options(options)

    def updated(self, body: bytes) -> Capabilities:
        """These capabilities after another CSM; each may change some (RFC 8323 §5.3)."""
        size, block_wise = self.max_message_size, self.block_wise
        for number, value in signal_options(CSM, body):
            if number == MAX_MESSAGE_SIZE:
                size = int.from_bytes(value)
            elif number == BLOCK_WISE_TRANSFER:
                block_wise = True
        return Capabilities(size, block_wise)


def signal_options(code: int, body: bytes) -> list[tuple[int, bytes]]:
    """The options of a signalling message; an unknown critical one raises UnusableOption (RFC 8323 §5.2)."""
    options, _diagnostic = parse_options(body, 0)
    known = KNOWN_OPTIONS.get(code, set())
    for number, _value in options:
        if number & 1 and number not in known:
            raise UnusableOption(number, "is unknown")
    return [option for option in options if option[0] in known]


def diagnostic(reason: str) -> bytes:
    """The body of an Abort that tells why."""
    return encode_tail([], reason.encode())
