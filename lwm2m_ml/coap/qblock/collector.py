"""Blocks that arrive in any order, some of them never, until they are a body; no I/O (RFC 9177 §4)."""

from __future__ import annotations

from lwm2m_ml.coap.errors import BlockTransferError
from lwm2m_ml.coap.options import Block


class TooLarge(BlockTransferError):
    """The body would be larger than is allowed here."""


class Collector:
    """The blocks of one body so far; all have the size of the first that came."""

    __slots__ = ("_highest", "_last", "_limit", "_parts", "_set", "exponent", "next_missing", "received_bytes")

    def __init__(self, limit: int, blocks_per_set: int) -> None:
        self._limit = limit
        self._set = blocks_per_set
        self._parts: dict[int, bytes] = {}
        self._highest = -1
        self._last: int | None = None
        self.exponent: int | None = None
        self.next_missing = 0
        """Every block before this one is here."""
        self.received_bytes = 0

    def announce(self, size: int, exponent: int) -> None:
        """The peer told the size of the whole body; raises TooLarge."""
        if size > self._limit:
            raise TooLarge(f"A body of {size:,} bytes is larger than {self._limit:,}")
        if self._last is None and size:
            self._last = (size - 1) >> (exponent + 4)

    def add(self, block: Block, payload: bytes) -> None:
        """Take in one block; raises BlockTransferError when it cannot belong to the others."""
        self._check(block, payload)
        self.exponent = block.size_exponent
        if not block.more:
            self._last = block.number
        self._highest = max(self._highest, block.number)
        if block.number not in self._parts:
            self._parts[block.number] = payload
            self.received_bytes += len(payload)
        while self.next_missing in self._parts:
            self.next_missing += 1

    def _check(self, block: Block, payload: bytes) -> None:
        if block.start + len(payload) > self._limit:
            raise TooLarge(f"The body is larger than {self._limit:,} bytes")
        if self.exponent not in (None, block.size_exponent):
            raise BlockTransferError("The blocks of a body must have one size")
        if len(payload) > block.size or (block.more and len(payload) != block.size):
            raise BlockTransferError("The payload is not as long as its block")
        if self._last is not None and (block.number > self._last or block.more == (block.number == self._last)):
            raise BlockTransferError("The body has more than one end")
        if not block.more and block.number < self._highest:
            raise BlockTransferError("The body ends before a block of it")

    @property
    def is_complete(self) -> bool:
        """Whether the body is whole."""
        return self._last is not None and self.next_missing > self._last

    @property
    def is_at_end_of_set(self) -> bool:
        """Whether whole sets, and nothing more, are here without a gap."""
        return self.next_missing % self._set == 0 and self.next_missing == self._highest + 1

    @property
    def has_gap_before_this_set(self) -> bool:
        """Whether a block is missing from a set before the one that arrives now."""
        return self.next_missing // self._set < self._highest // self._set

    @property
    def start_of_this_set(self) -> int:
        """The first block of the last set of which something is here."""
        return max(0, self._highest) // self._set * self._set

    def missing_before_this_set(self) -> list[int]:
        """The first blocks that are missing from earlier sets, no more than a set; the others may be on their way."""
        return [number for number in self.missing() if number < self.start_of_this_set]

    def missing(self) -> list[int]:
        """The first blocks that are missing, no more than a set."""
        end = self._last
        if end is None:
            end = (self._highest // self._set + 1) * self._set - 1
            if self._highest == end:
                end += self._set
        found: list[int] = []
        number = self.next_missing
        while number <= end and len(found) < self._set:
            if number not in self._parts:
                found.append(number)
            number += 1
        return found

    def body(self) -> bytes:
        """The whole body."""
        return b"".join([self._parts[number] for number in range(self.next_missing)])
