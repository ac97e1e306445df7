"""DTLS records as they are on the wire (RFC 6347 §4.1): just enough to see what a datagram is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

HEADER = 13
ALERT = 21
HANDSHAKE = 22
DTLS_1_2 = b"\xfe\xfd"
FATAL = 2
DECRYPT_ERROR = 51
LATE_SEQUENCE_NUMBER = (1 << 48) - 1
"""Higher than that of anything sent before in epoch 0, so that it is no replay."""


class Record(NamedTuple):
    """What the header of a record says."""

    type: int
    epoch: int


def records(datagram: bytes) -> Iterator[Record]:
    """The records of a datagram; ends at what is cut off."""
    start = 0
    while len(datagram) >= start + HEADER:
        yield Record(datagram[start], int.from_bytes(datagram[start + 3 : start + 5]))
        start = _end(datagram, start)


def datagrams(flight: bytes, most: int) -> Iterator[bytes]:
    """Records in datagrams of as many as fit into `most` bytes; one that is longer by itself goes alone."""
    begin = end = 0
    while end < len(flight):
        following = _end(flight, end)
        if following - begin > most and end > begin:
            yield flight[begin:end]
            begin = end
        end = following
    yield flight[begin:]


def _end(datagram: bytes, start: int) -> int:
    """Where the record that starts here ends."""
    return start + HEADER + int.from_bytes(datagram[start + 11 : start + 13])


def carries_finished(datagram: bytes) -> bool:
    """Whether a handshake message is in there that is protected already: in a first handshake, the Finished."""
    return any(record.type == HANDSHAKE and record.epoch > 0 for record in records(datagram))


def wrong_key_alert() -> bytes:
    """Tells a peer in the clear, as there are no common keys, that its Finished cannot be read (RFC 5246 §7.2.2)."""
    content = bytes((FATAL, DECRYPT_ERROR))
    sequence = LATE_SEQUENCE_NUMBER.to_bytes(8)  # two bytes epoch, which is 0, and six of sequence number
    return bytes((ALERT,)) + DTLS_1_2 + sequence + len(content).to_bytes(2) + content
