"""A small append-only journal on flash: named records, of which the newest whole one counts.

Two banks take turns. A bank opens with a header (generation, checksum) that is programmed *after* the snapshot behind
it, so a bank exists once it is complete. A record counts when its checksum fits. Whatever a power cut tears has no
checksum that fits, so a reader sees either the state before the write or the state after it.
"""

import struct
import zlib
from collections.abc import Iterator

from lwm2m_ml_simulator.errors import StorageFull
from lwm2m_ml_simulator.memory.flash import ERASED, FlashRegion

_HEADER = struct.Struct("<4sII")
_MAGIC = b"JRN1"
_RECORD = struct.Struct("<BBHI")
_RECORD_MARK = 0x5A


class Journal:
    """State that survives a power cut at any operation. Keys are 0..255, values up to 65,535 bytes."""

    def __init__(self, region: FlashRegion) -> None:
        geometry = region.flash.geometry
        self._bank_bytes = region.length // 2 // geometry.erase_block_bytes * geometry.erase_block_bytes
        if self._bank_bytes == 0:
            raise StorageFull("a journal needs two erase blocks")
        self._region = region
        self._records_start = geometry.aligned(_HEADER.size)
        self._state: dict[int, bytes] = {}
        self._generation = 0
        self._bank = 0
        self._end = 0
        self._mount()

    def get(self, key: int) -> bytes | None:
        """Return the newest value of `key`, or None."""
        return self._state.get(key)

    def put(self, key: int, value: bytes) -> None:
        """Make `value` the value of `key`: after this returns it survives, before it the old one does."""
        if self._state.get(key) == value:
            return
        record = self._pack(key, value)
        if self._end + len(record) > self._bank_bytes:
            self._write_snapshot(self._state | {key: value})
        else:
            self._region.program(self._bank * self._bank_bytes + self._end, record)
            self._end += len(record)
        self._state[key] = value

    def _mount(self) -> None:
        banks = {bank: generation for bank in (0, 1) if (generation := self._generation_of(bank)) is not None}
        if not banks:
            self._write_snapshot({})
            return
        self._bank = max(banks, key=lambda bank: banks[bank])
        self._generation = banks[self._bank]
        self._end = self._records_start
        for key, value, size in self._records(self._bank):
            self._state[key] = value
            self._end += size
        # What follows the last whole record may be half a record: nothing can be programmed over it.
        start = self._bank * self._bank_bytes + self._end
        if not self._region.is_erased(start, self._bank_bytes - self._end):
            self._write_snapshot(self._state)

    def _generation_of(self, bank: int) -> int | None:
        magic, generation, checksum = _HEADER.unpack(self._region.read(bank * self._bank_bytes, _HEADER.size))
        return generation if magic == _MAGIC and checksum == zlib.crc32(_header_body(generation)) else None

    def _records(self, bank: int) -> Iterator[tuple[int, bytes, int]]:
        position = self._records_start
        while position + _RECORD.size <= self._bank_bytes:
            header = self._region.read(bank * self._bank_bytes + position, _RECORD.size)
            mark, key, length, checksum = _RECORD.unpack(header)
            if mark != _RECORD_MARK or position + _RECORD.size + length > self._bank_bytes:
                return
            value = self._region.read(bank * self._bank_bytes + position + _RECORD.size, length)
            if checksum != _record_checksum(key, value):
                return
            size = self._region.flash.geometry.aligned(_RECORD.size + length)
            yield key, value, size
            position += size

    def _write_snapshot(self, state: dict[int, bytes]) -> None:
        """Write all of `state` into the other bank and only then make that bank the one that counts."""
        bank = 1 - self._bank if self._generation else self._bank
        start = bank * self._bank_bytes
        snapshot = b"".join(self._pack(key, value) for key, value in sorted(state.items()))
        if self._records_start + len(snapshot) > self._bank_bytes:
            raise StorageFull(f"the journal's state of {len(snapshot)} B does not fit into a bank")
        self._region.erase(start, self._bank_bytes)
        if snapshot:
            self._region.program(start + self._records_start, snapshot)
        generation = self._generation + 1
        header = _HEADER.pack(_MAGIC, generation, zlib.crc32(_header_body(generation)))
        self._region.program(start, header)
        self._bank, self._generation, self._end = bank, generation, self._records_start + len(snapshot)

    def _pack(self, key: int, value: bytes) -> bytes:
        record = _RECORD.pack(_RECORD_MARK, key, len(value), _record_checksum(key, value)) + value
        return record + bytes([ERASED]) * (self._region.flash.geometry.aligned(len(record)) - len(record))


def _header_body(generation: int) -> bytes:
    return _MAGIC + generation.to_bytes(4, "little")


def _record_checksum(key: int, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(bytes([key, len(value) & 0xFF, len(value) >> 8])))
