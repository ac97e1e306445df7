"""Hashes of the payload's blocks, so that a bad block is refused as it arrives and a transfer goes on after it.

A separate element of the envelope, whose digest the manifest signs: `[block size, hashes]`, where `hashes` are the
first 16 bytes of the SHA-256 of each block of the payload as it lies in the package, one after the other.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from lwm2m_ml.module import cbor
from lwm2m_ml.module.errors import InvalidPackageFactsError, MalformedCborError

HASH_BYTES = 16
_TABLE_OVERHEAD_BYTES = 13
"""Heads of the element, of the array, of the block size and of the hashes; the key."""
SMALLEST_BLOCK_BYTES, LARGEST_BLOCK_BYTES = 64, 65536
USUAL_BLOCK_BYTES, LARGEST_USUAL_BLOCK_BYTES = 1024, 4096
"""A device keeps a block in RAM until its hash is found right: the smallest is what CoAP transfers at once."""
SMALLEST_PAYLOAD_BYTES = 4 * USUAL_BLOCK_BYTES
"""A smaller payload is as soon fetched again as a whole."""


@dataclass(frozen=True, slots=True)
class BlockTable:
    """Block size and the hashes of all blocks; the last block may be shorter."""

    block_bytes: int
    hashes: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not SMALLEST_BLOCK_BYTES <= self.block_bytes <= LARGEST_BLOCK_BYTES:
            raise InvalidPackageFactsError(f"A block has {SMALLEST_BLOCK_BYTES} to {LARGEST_BLOCK_BYTES} B")

    @classmethod
    def of(cls, payload: bytes, block_bytes: int) -> "BlockTable":
        """Make the table of a payload."""
        starts = range(0, len(payload), block_bytes)
        return cls(block_bytes, b"".join(_hash(payload[start : start + block_bytes]) for start in starts))

    def encode(self) -> bytes:
        """Encode."""
        return cbor.encode([self.block_bytes, self.hashes])

    @classmethod
    def decode(cls, data: bytes, payload_bytes: int) -> "BlockTable":
        """Decode the table of a payload of `payload_bytes`; raises MalformedCborError."""
        value: Any = cbor.decode(data)
        match value:
            case [int() as block_bytes, bytes() as hashes] if not isinstance(block_bytes, bool):
                pass
            case _:
                raise MalformedCborError("The block table is not a block size and hashes")
        try:
            table = cls(block_bytes, hashes)
        except InvalidPackageFactsError as error:
            raise MalformedCborError(error.message) from error
        if len(hashes) != -(-payload_bytes // block_bytes) * HASH_BYTES:
            raise MalformedCborError("The block table is not as long as the payload needs")
        return table

    def matches(self, number: int, block: bytes) -> bool:
        """Tell whether `block` is the payload's block with this number, counted from 0."""
        return self.hashes[number * HASH_BYTES : (number + 1) * HASH_BYTES] == _hash(block)


class BlockChecker:
    """Cuts a payload that arrives in pieces of any size into blocks, and passes on only blocks that match."""

    def __init__(self, table: BlockTable) -> None:
        self._table = table
        self._waiting = bytearray()
        self._number = 0

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait for the end of their block."""
        return len(self._waiting)

    def feed(self, data: bytes, *, last: bool) -> bytes | None:
        """Return the whole blocks that `data` completes (with `last`, the short one too); None when one is bad."""
        self._waiting += data
        size = self._table.block_bytes
        complete = len(self._waiting) if last else len(self._waiting) // size * size
        for start in range(0, complete, size):
            if not self._table.matches(self._number, bytes(self._waiting[start : min(start + size, complete)])):
                return None
            self._number += 1
        blocks = bytes(self._waiting[:complete])
        del self._waiting[:complete]
        return blocks


def usual_block_bytes(payload_bytes: int, table_bytes: int, largest: int) -> int | None:
    """Return the size of the smallest usual blocks whose table has at most `table_bytes`, hashes and all.

    None where the payload is too small to profit, or where the table would be too large with blocks of `largest`.
    """
    block_bytes = USUAL_BLOCK_BYTES
    while payload_bytes >= SMALLEST_PAYLOAD_BYTES and block_bytes <= min(largest, LARGEST_USUAL_BLOCK_BYTES):
        if -(-payload_bytes // block_bytes) * HASH_BYTES + _TABLE_OVERHEAD_BYTES <= table_bytes:
            return block_bytes
        block_bytes *= 2
    return None


def _hash(block: bytes) -> bytes:
    return sha256(block).digest()[:HASH_BYTES]
