"""NOR flash: erased in blocks, programmed in aligned units from 1 to 0 only, torn when the power fails."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from lwm2m_ml_simulator.errors import FlashMisuse

ERASED = 0xFF


class PowerCut(Exception):
    """The power failed: nothing after this happens in the device until it is switched on again."""


@dataclass(frozen=True, slots=True)
class FlashGeometry:
    """Sizes in bytes: the whole flash, what one erase clears, and the unit that one program writes."""

    total_bytes: int
    erase_block_bytes: int = 4096
    write_bytes: int = 4

    def __post_init__(self) -> None:
        if self.total_bytes % self.erase_block_bytes or self.erase_block_bytes % self.write_bytes:
            raise FlashMisuse("the flash is not a whole number of erase blocks and write units")

    @property
    def blocks(self) -> int:
        """How many erase blocks there are."""
        return self.total_bytes // self.erase_block_bytes

    def aligned(self, length: int) -> int:
        """`length` rounded up to the write unit."""
        return -(-length // self.write_bytes) * self.write_bytes

    def whole_blocks(self, length: int) -> int:
        """`length` rounded up to whole erase blocks."""
        return -(-length // self.erase_block_bytes) * self.erase_block_bytes


class Flash:
    """The flash of one device: its contents outlive every reboot of the device that owns this object.

    Only blocks that were written take memory, so that ten thousand devices fit into one process. With an `endurance`,
    each erase of a block beyond that number leaves one more of its bits stuck at 0.
    """

    def __init__(self, geometry: FlashGeometry, *, seed: int = 0, endurance: int | None = None) -> None:
        self.geometry = geometry
        self.wear: Counter[int] = Counter()
        self.operations = 0
        self.bytes_programmed = 0
        self.powered = True
        self.on_power_loss: Callable[[], None] | None = None
        self._blocks: dict[int, bytearray] = {}
        self._cut_at: int | None = None
        self._random = random.Random(seed)
        self._endurance = endurance
        self._stuck: dict[int, int] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; erased flash reads as 0xFF."""
        self._check_range(offset, length)
        size = self.geometry.erase_block_bytes
        result = bytearray()
        while length > 0:
            block, start = divmod(offset, size)
            step = min(length, size - start)
            contents = self._blocks.get(block)
            found = contents[start : start + step] if contents is not None else bytes([ERASED]) * step
            result += self._worn(found, offset) if self._stuck else found
            offset += step
            length -= step
        return bytes(result)

    def program(self, offset: int, data: bytes) -> None:
        """Write `data`, aligned and in whole units, over bits that are still 1 wherever it has a 1."""
        unit = self.geometry.write_bytes
        self._check_range(offset, len(data))
        if offset % unit or len(data) % unit:
            raise FlashMisuse(f"program of {len(data)} B at {offset:#x} is not aligned to {unit} B")
        before = self.read(offset, len(data))
        if int.from_bytes(data) & ~int.from_bytes(before) and not self._stuck:
            raise FlashMisuse(f"program at {offset:#x} would turn a 0 into a 1", hint="Erase the block first")
        if self._power_fails_now():
            self._store(offset, self._torn_program(before, data))
            self._lose_power()
        self._store(offset, data)
        self.bytes_programmed += len(data)

    def erase(self, block: int) -> None:
        """Set every bit of erase block number `block` to 1."""
        if not 0 <= block < self.geometry.blocks:
            raise FlashMisuse(f"there is no erase block {block}")
        self.wear[block] += 1
        if self._power_fails_now():
            size = self.geometry.erase_block_bytes
            before = self.read(block * size, size)
            noise = self._random.randbytes(size)
            self._store(block * size, bytes(old | more for old, more in zip(before, noise, strict=True)))
            self._lose_power()
        self._blocks.pop(block, None)
        if self._endurance is not None and self.wear[block] > self._endurance:
            self._wear_out(block)

    def cut_power_after(self, operations: int) -> None:
        """Let `operations` more program and erase operations succeed, and tear the one that follows."""
        self._cut_at = self.operations + operations

    def power_on(self) -> None:
        """Switch the power on again, with whatever the cut left in the cells."""
        self.powered = True
        self._cut_at = None

    def flip_bit(self, offset: int, bit: int) -> None:
        """Let one bit rot, in either direction: something that happens to flash, not an operation of it."""
        contents = bytearray(self.read(offset, 1))
        contents[0] ^= 1 << bit
        self._store(offset, bytes(contents))

    def lose_power_now(self) -> None:
        """Fail between two operations."""
        self.powered = False
        if self.on_power_loss is not None:
            self.on_power_loss()

    def _wear_out(self, block: int) -> None:
        """One more bit of a block that was erased too often stays 0 for ever, whatever is programmed."""
        size = self.geometry.erase_block_bytes
        place = block * size + self._random.randrange(size)
        self._stuck[place] = self._stuck.get(place, ERASED) & ~(1 << self._random.randrange(8))

    def _worn(self, data: bytes | bytearray, offset: int) -> bytearray:
        """What reads back where cells are worn out."""
        read = bytearray(data)
        for place, mask in self._stuck.items():
            if offset <= place < offset + len(read):
                read[place - offset] &= mask
        return read

    def _power_fails_now(self) -> bool:
        if not self.powered:
            raise PowerCut
        fails = self._cut_at is not None and self.operations >= self._cut_at
        self.operations += 1
        return fails

    def _lose_power(self) -> None:
        self.lose_power_now()
        raise PowerCut

    def _torn_program(self, before: bytes, data: bytes) -> bytes:
        """Whole units up to some point, one unit with only some of its bits, the rest untouched."""
        unit = self.geometry.write_bytes
        done = self._random.randrange(len(data) // unit) * unit if data else 0
        noise = self._random.randbytes(unit)
        cells = zip(before[done:], data[done:], noise, strict=False)
        torn = bytes(old & (new | more) for old, new, more in cells)
        return data[:done] + torn + before[done + unit :]

    def _store(self, offset: int, data: bytes) -> None:
        size = self.geometry.erase_block_bytes
        position = 0
        while position < len(data):
            block, start = divmod(offset + position, size)
            step = min(len(data) - position, size - start)
            contents = self._blocks.setdefault(block, bytearray([ERASED]) * size)
            contents[start : start + step] = data[position : position + step]
            position += step

    def _check_range(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.geometry.total_bytes:
            raise FlashMisuse(f"{length} B at {offset:#x} lie outside the flash")


@dataclass(frozen=True, slots=True)
class FlashRegion:
    """A run of whole erase blocks, addressed from 0."""

    flash: Flash
    start: int
    length: int

    def read(self, offset: int, length: int) -> bytes:
        """Read inside the region."""
        self._check(offset, length)
        return self.flash.read(self.start + offset, length)

    def program(self, offset: int, data: bytes) -> None:
        """Program inside the region; the last unit is padded with 0xFF, which programs nothing."""
        padded = data + bytes([ERASED]) * (self.flash.geometry.aligned(len(data)) - len(data))
        self._check(offset, len(padded))
        self.flash.program(self.start + offset, padded)

    def erase(self, offset: int = 0, length: int | None = None) -> None:
        """Erase the blocks that hold `length` bytes from `offset` (the whole region by default)."""
        length = self.length - offset if length is None else length
        self._check(offset, length)
        size = self.flash.geometry.erase_block_bytes
        first = (self.start + offset) // size
        for block in range(first, -(-(self.start + offset + length) // size)):
            self.flash.erase(block)

    def clean(self, offset: int = 0) -> None:
        """Erase the blocks from `offset` (a block boundary) on that are not erased yet: wear counts."""
        size = self.flash.geometry.erase_block_bytes
        for start in range(offset, self.length, size):
            if not self.is_erased(start, size):
                self.erase(start, size)

    def is_erased(self, offset: int, length: int) -> bool:
        """Whether every byte reads as erased."""
        return not self.read(offset, length).strip(bytes([ERASED]))

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.length:
            raise FlashMisuse(f"{length} B at {offset:#x} lie outside the region of {self.length} B")
