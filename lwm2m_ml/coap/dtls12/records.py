"""Records on the wire (RFC 6347 §4.1, RFC 9146 §4), still sealed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lwm2m_ml.coap.dtls12.numbers import (
    ALERT,
    CHANGE_CIPHER_SPEC,
    DTLS_1_2,
    DTLS_MAJOR,
    FATAL,
    TLS12_CID,
    Alert,
)

HEADER_BYTES = 13
CID_AT = 11
LENGTH_BYTES = 2
EPOCH_ZERO = b"\x00\x00"
EPOCH_ONE = b"\x00\x01"
LATE_SEQUENCE_NUMBER = (1 << 48) - 1
"""Higher than that of anything sent before in epoch 0, so that it is no replay."""


class Record(NamedTuple):
    """A record: what its header says, and its content as it was sent."""

    type: int
    number: bytes
    """Epoch (2 bytes) and sequence number (6 bytes)."""
    cid: bytes
    content: bytes
    version: bytes = DTLS_1_2

    @property
    def is_plain(self) -> bool:
        """Whether it is of epoch 0, where nothing is encrypted yet."""
        return self.number[:2] == EPOCH_ZERO

    @property
    def sequence_number(self) -> int:
        """The number within the epoch."""
        return int.from_bytes(self.number[2:])


def records(datagram: bytes, cid_bytes: int) -> Iterator[Record]:
    """The records of a datagram; it ends at what is cut off or none of ours.

    `cid_bytes` is how long the connection ids are that we gave out: the header does not tell (RFC 9146 §4).
    """
    at, end = 0, len(datagram)
    while at + HEADER_BYTES <= end:
        kind = datagram[at]
        if datagram[at + 1] != DTLS_MAJOR:
            return
        length_at = at + CID_AT + (cid_bytes if kind == TLS12_CID else 0)
        start = length_at + LENGTH_BYTES
        following = start + int.from_bytes(datagram[length_at:start])
        if start > end or following > end:
            return
        version = datagram[at + 1 : at + 3]
        yield Record(
            kind, datagram[at + 3 : at + 11], datagram[at + 11 : length_at], datagram[start:following], version
        )
        at = following


def plain(kind: int, sequence_number: int, content: bytes, version: bytes = DTLS_1_2) -> bytes:
    """A record of epoch 0."""
    return b"%c%b\x00\x00%b%b%b" % (kind, version, sequence_number.to_bytes(6), len(content).to_bytes(2), content)


def plain_alert(alert: Alert, sequence_number: int = LATE_SEQUENCE_NUMBER) -> bytes:
    """A fatal alert in epoch 0 (RFC 5246 §7.2)."""
    return plain(ALERT, sequence_number, bytes((FATAL, alert)))


def change_cipher_spec(sequence_number: int) -> bytes:
    """The record that announces epoch 1 (RFC 5246 §7.1)."""
    return plain(CHANGE_CIPHER_SPEC, sequence_number, b"\x01")
