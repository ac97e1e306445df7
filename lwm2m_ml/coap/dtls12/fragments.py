"""Handshake messages in fragments: cut for the way out, put together on the way in, within limits (RFC 6347 §4.2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lwm2m_ml.coap.dtls12.errors import MessageError
from lwm2m_ml.coap.dtls12.numbers import Alert

HEADER_BYTES = 12
FRAGMENT_OFFSET_AT = 6
MOST_AHEAD = 6
"""Messages of a flight that may come before their turn: no flight has more."""
MOST_PIECES = 64
"""Fragments of one message; a peer with the smallest useful datagrams needs fewer."""


class Message(NamedTuple):
    """A whole handshake message."""

    type: int
    sequence: int
    body: bytes

    def encode(self) -> bytes:
        """The message in one piece, as it counts for the transcript (RFC 6347 §4.2.6)."""
        length = len(self.body).to_bytes(3)
        return b"%c%b%b\x00\x00\x00%b%b" % (self.type, length, self.sequence.to_bytes(2), length, self.body)


def cut(message: bytes, room: int) -> Iterator[bytes]:
    """An encoded message in pieces of at most `room` bytes each, header included."""
    if len(message) <= room:
        yield message
        return
    step = room - HEADER_BYTES
    for start in range(HEADER_BYTES, len(message), step):
        piece = message[start : start + step]
        place = (start - HEADER_BYTES).to_bytes(3) + len(piece).to_bytes(3)
        yield message[:FRAGMENT_OFFSET_AT] + place + piece


class Fragment(NamedTuple):
    """A piece of a message."""

    type: int
    length: int
    """Bytes of the whole message."""
    sequence: int
    offset: int
    content: bytes


def parse_fragments(content: bytes) -> Iterator[Fragment]:
    """The pieces in a record, which may hold several. Raises MessageError."""
    at = 0
    while at < len(content):
        start = at + HEADER_BYTES
        if start > len(content):
            raise MessageError("a handshake message is cut off")
        length, offset = int.from_bytes(content[at + 1 : at + 4]), int.from_bytes(content[at + 6 : at + 9])
        size = int.from_bytes(content[at + 9 : start])
        end = start + size
        if end > len(content) or offset + size > length or (size == 0 and length > 0):
            raise MessageError("a handshake fragment does not fit its message")
        yield Fragment(content[at], length, int.from_bytes(content[at + 4 : at + 6]), offset, content[start:end])
        at = end


class _Partial:
    """A message of which some bytes are there; memory is taken as bytes arrive, not as a header promises."""

    __slots__ = ("length", "pieces", "type")

    def __init__(self, fragment: Fragment) -> None:
        self.type = fragment.type
        self.length = fragment.length
        self.pieces: dict[int, bytes] = {}

    def add(self, fragment: Fragment) -> None:
        """Take a piece in; pieces may overlap (RFC 6347 §4.2.3)."""
        known = self.pieces.get(fragment.offset)
        if len(self.pieces) < MOST_PIECES if known is None else len(fragment.content) > len(known):
            self.pieces[fragment.offset] = fragment.content

    @property
    def complete(self) -> bool:
        """Whether no byte is missing."""
        reach = 0
        for offset in sorted(self.pieces):
            if offset > reach:
                break
            reach = max(reach, offset + len(self.pieces[offset]))
        return reach >= self.length

    def body(self) -> bytes:
        """The whole; where pieces overlap, the first counts."""
        whole = b""
        for offset in sorted(self.pieces):
            whole += self.pieces[offset][len(whole) - offset :] if len(whole) > offset else self.pieces[offset]
        return whole[: self.length]

    @property
    def size(self) -> int:
        """Bytes kept."""
        return sum(map(len, self.pieces.values()))


class Reassembly:
    """Puts the messages of a peer together and in order.

    At most `MOST_AHEAD` messages and `most_bytes` bytes wait; what goes beyond is dropped and comes again with the
    peer's next repetition.
    """

    __slots__ = ("_most_bytes", "_partial", "next")

    def __init__(self, first: int, most_bytes: int) -> None:
        self.next = first
        self._most_bytes = most_bytes
        self._partial: dict[int, _Partial] = {}

    def feed(self, fragment: Fragment) -> None:
        """Take a piece in. Raises MessageError when it contradicts another, or its message is too large."""
        ahead = fragment.sequence - self.next
        if fragment.length > self._most_bytes:
            raise MessageError("a handshake message is too large", Alert.ILLEGAL_PARAMETER)
        if not 0 <= ahead < MOST_AHEAD or self._size() + len(fragment.content) > self._most_bytes:
            return
        partial = self._partial.setdefault(fragment.sequence, _Partial(fragment))
        if (partial.type, partial.length) != (fragment.type, fragment.length):
            raise MessageError("fragments of a handshake message contradict each other", Alert.ILLEGAL_PARAMETER)
        partial.add(fragment)

    def whole(self, fragment: Fragment) -> Message | None:
        """The message of a fragment that is all of it and comes in its turn: nothing needs to be put together."""
        in_turn = fragment.sequence == self.next and fragment.sequence not in self._partial
        if not in_turn or len(fragment.content) != fragment.length or fragment.length > self._most_bytes:
            return None
        self.next += 1
        return Message(fragment.type, fragment.sequence, fragment.content)

    def take(self) -> Message | None:
        """The next message in order, when it is complete."""
        partial = self._partial.get(self.next)
        if partial is None or not (partial.pieces and partial.complete):
            return None
        del self._partial[self.next]
        sequence, self.next = self.next, self.next + 1
        return Message(partial.type, sequence, partial.body())

    def _size(self) -> int:
        return sum(partial.size for partial in self._partial.values())
