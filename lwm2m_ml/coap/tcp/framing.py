"""Messages on a byte stream (RFC 8323 §3.2): length, token length, code, token, options, payload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lwm2m_ml.coap.codec import MAXIMUM_TOKEN, RESERVED_CODE_CLASSES
from lwm2m_ml.coap.errors import MalformedMessage

EXTENDED_LENGTH = {13: (1, 13), 14: (2, 269), 15: (4, 65805)}
"""For the length nibble: how many bytes follow, and what is added to their value."""
SIGNALLING_CLASS = 7


class Frame(NamedTuple):
    """One message whose options are not parsed yet; `body` is options and payload."""

    code: int
    token: bytes
    body: bytes


def encode_frame(code: int, token: bytes, body: bytes) -> bytes:
    """The bytes of a message."""
    length = len(body)
    if length < 13:
        return bytes((length << 4 | len(token), code)) + token + body
    for nibble, (size, offset) in EXTENDED_LENGTH.items():
        if length < offset + (1 << 8 * size):
            head = bytes((nibble << 4 | len(token),)) + (length - offset).to_bytes(size)
            return b"%b%c%b%b" % (head, code, token, body)
    raise MalformedMessage(f"A message of {length:,} bytes cannot be framed")


class FrameReader:
    """Cuts a stream into frames; a frame beyond the limit is refused when its length is known."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with these bytes; raises MalformedMessage."""
        self._buffer += data
        while True:
            frame = self._next()
            if frame is None:
                return
            yield frame

    def _next(self) -> Frame | None:
        buffer = self._buffer
        if not buffer:
            return None
        length, token_length = buffer[0] >> 4, buffer[0] & 15
        size, offset = EXTENDED_LENGTH.get(length, (0, 0))
        if token_length > MAXIMUM_TOKEN:
            raise MalformedMessage(f"The token length {token_length} is reserved")
        if len(buffer) < 1 + size:
            return None
        if size:
            length = int.from_bytes(buffer[1 : 1 + size]) + offset
        start = 2 + size + token_length
        end = start + length
        if end > self._limit:
            raise MalformedMessage(f"A message of {end:,} bytes is larger than {self._limit:,}")
        if len(buffer) < end:
            return None
        code = buffer[1 + size]
        if code >> 5 in RESERVED_CODE_CLASSES - {SIGNALLING_CLASS}:
            raise MalformedMessage(f"The code class {code >> 5} is reserved")
        frame = Frame(code, bytes(buffer[2 + size : start]), bytes(buffer[start:end]))
        del buffer[:end]
        return frame
