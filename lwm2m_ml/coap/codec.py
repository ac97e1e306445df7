"""RFC 7252 §3 on bytes: one datagram to one message and back, strict about everything the section forbids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lwm2m_ml.coap.errors import MalformedMessage
from lwm2m_ml.coap.numbers import EMPTY
from lwm2m_ml.coap.options import Option, Options
from lwm2m_ml.coap.receipt import Receipt

MAXIMUM_OPTIONS = 64
MAXIMUM_OPTION_NUMBER = 65535
MAXIMUM_TOKEN = 8
HEADER = 4
PAYLOAD_MARKER = 0xFF
RESERVED_CODE_CLASSES = frozenset({1, 6, 7})


@dataclass(slots=True)
class RawMessage:
    """A message as it was on the wire: nothing is interpreted yet."""

    type: int
    code: int
    message_id: int
    token: bytes = b""
    options: Options = field(default_factory=list)
    payload: bytes = b""
    receipt: Receipt | None = None
    """Where it waits for an acknowledgement that its reader may keep back."""


def parse(datagram: bytes) -> RawMessage:
    """Parse one datagram; raises MalformedMessage."""
    length = len(datagram)
    if length < HEADER:
        raise MalformedMessage("The message is shorter than its header")
    first = datagram[0]
    if first >> 6 != 1:
        raise MalformedMessage("The message has an unknown version")
    code = datagram[1]
    start = HEADER + (first & 15)
    check_header(first & 15, code, length)
    options, payload = parse_options(datagram, start)
    message_id = datagram[2] << 8 | datagram[3]
    return RawMessage(first >> 4 & 3, code, message_id, datagram[HEADER:start], options, payload)


def check_header(token_length: int, code: int, length: int) -> None:
    """Raise MalformedMessage for a token length, a code or an Empty message that RFC 7252 §3 and §4.1 forbid."""
    if token_length > MAXIMUM_TOKEN:
        raise MalformedMessage(f"The token length {token_length} is reserved")
    if HEADER + token_length > length:
        raise MalformedMessage("The message ends inside its token")
    if code == EMPTY and length > HEADER:
        raise MalformedMessage("An Empty message carries more than its header")
    if code >> 5 in RESERVED_CODE_CLASSES:
        raise MalformedMessage(f"The code class {code >> 5} is reserved")


def parse_options(data: bytes, start: int) -> tuple[Options, bytes]:
    """The options and the payload that follow the token; raises MalformedMessage."""
    options: Options = []
    number = 0
    position = start
    end = len(data)
    try:
        while position < end:
            byte = data[position]
            position += 1
            if byte == PAYLOAD_MARKER:
                if position == end:
                    raise MalformedMessage("A payload marker is followed by no payload")
                break
            delta = byte >> 4
            length = byte & 15
            if delta > 12:
                delta, position = _extended(data, delta, position)
            if length > 12:
                length, position = _extended(data, length, position)
            number += delta
            value_end = position + length
            if value_end > end:
                raise MalformedMessage("The message ends inside an option")
            options.append((number, data[position:value_end]))
            position = value_end
        else:
            position = end
    except IndexError:
        raise MalformedMessage("The message ends inside an option") from None
    if number > MAXIMUM_OPTION_NUMBER or len(options) > MAXIMUM_OPTIONS:
        raise MalformedMessage("The message has too many options, or a number beyond 65,535")
    return options, data[position:]


def _extended(data: bytes, nibble: int, position: int) -> tuple[int, int]:
    """The value behind the nibble 13, 14 or 15, and the position after it (RFC 7252 §3.1)."""
    if nibble == 13:
        return data[position] + 13, position + 1
    if nibble == 14:
        return (data[position] << 8 | data[position + 1]) + 269, position + 2
    raise MalformedMessage("An option has the reserved delta or length 15")


def encode(message: RawMessage) -> bytes:
    """The datagram of a message."""
    tail = encode_tail(message.options, message.payload)
    return header(message.type, message.code, message.message_id, message.token) + tail


def header(message_type: int, code: int, message_id: int, token: bytes) -> bytes:
    """The four bytes every message begins with, and the token."""
    return bytes((0x40 | message_type << 4 | len(token), code, message_id >> 8, message_id & 255)) + token


def encode_tail(options: Iterable[Option], payload: bytes) -> bytes:
    """Options, in any order, and payload: what follows the token."""
    encoded = encode_options(options)
    return b"%b\xff%b" % (encoded, payload) if payload else encoded


def encode_options(options: Iterable[Option]) -> bytes:
    """Encode options; the order among options of one number is kept."""
    return encode_ordered(sorted(options, key=_number))


def encode_ordered(options: Iterable[Option]) -> bytes:
    """Encode options that come in the order of their numbers."""
    encoded = bytearray()
    previous = 0
    for number, value in options:
        delta = number - previous
        length = len(value)
        previous = number
        if delta < 13 and length < 13:
            encoded.append(delta << 4 | length)
        else:
            _append_long_option_header(encoded, delta, length)
        encoded += value
    return bytes(encoded)


def _number(option: Option) -> int:
    return option[0]


def _append_long_option_header(encoded: bytearray, delta: int, length: int) -> None:
    delta_nibble, delta_bytes = _nibble(delta)
    length_nibble, length_bytes = _nibble(length)
    encoded.append(delta_nibble << 4 | length_nibble)
    encoded += delta_bytes + length_bytes


def _nibble(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes((value - 13,))
    return 14, (value - 269).to_bytes(2, "big")
