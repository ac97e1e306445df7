"""A package on its way into a slot's flash, its progress in the journal, resumable after any cut.

The package is laid so that its image begins at an aligned address, because it runs where it lies; what comes before the
package in the slot stays erased. A package that has to be unpacked lies in the staging area of the device instead.
"""

from dataclasses import dataclass, replace

import cbor2

from lwm2m_ml_simulator.errors import StorageFull
from lwm2m_ml_simulator.memory.flash import ERASED, FlashRegion
from lwm2m_ml_simulator.memory.journal import Journal

# Per slot one record that says what is being fetched and one, written with every block, that says how far it came.
_SOURCE_KEY = 16
_STORED_KEY = 32


@dataclass(frozen=True, slots=True)
class Source:
    """What is being fetched; blocks of another entity tag must not be mixed in (RFC 7959 §2.4).

    `start` is where in the slot the package begins; `apart` when it lies in the staging area and not in the slot.
    """

    uri: str
    etag: bytes | None = None
    total_bytes: int | None = None
    start: int = 0
    apart: bool = False


class StagingArea:
    """Flash for packages that have to be unpacked; one slot at a time uses it."""

    def __init__(self, region: FlashRegion) -> None:
        self.region = region
        self._user: int | None = None

    def take(self, number: int) -> None:
        """Let a slot use the area; raises StorageFull while another one does."""
        if self._user not in {None, number}:
            raise StorageFull("the staging area holds a package for another slot")
        self._user = number

    def give_back(self, number: int) -> None:
        """Let others use the area again."""
        if self._user == number:
            self._user = None


class Staging:
    """The package of one slot while it arrives."""

    def __init__(self, journal: Journal, number: int, region: FlashRegion, area: StagingArea | None = None) -> None:
        self._journal = journal
        self.number = number
        self.region = region
        self._area = area
        # Less than a write unit waits in RAM until the unit is full.
        self._tail = bytearray()
        stored = journal.get(_SOURCE_KEY + number)
        self.source = Source(*cbor2.loads(stored)) if stored else None
        self._stored = int.from_bytes(journal.get(_STORED_KEY + number) or b"", "little") if self.source else 0
        if self.source is not None:
            if self.source.apart and self._area is not None:
                self._area.take(number)
            self._drop_torn_block()

    @property
    def _target(self) -> FlashRegion:
        """The flash that the package is written to."""
        return self._area.region if self.source is not None and self.source.apart and self._area else self.region

    @property
    def received(self) -> int:
        """How many bytes of the package are here."""
        start = self.source.start if self.source is not None else 0
        return max(0, self._stored + len(self._tail) - start)

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are in flash."""
        return self.source is not None and self.source.total_bytes == self.received and not self._tail

    def begin(self, source: Source) -> None:
        """Start anew; the slot must have been cleared in the journal before."""
        self.forget()
        self._check_room(source.total_bytes or 0)
        self.region.clean()
        self._remember(source)

    def place(self, start: int) -> None:
        """Decide where in the slot the package begins, before its first byte is written."""
        if self.source is not None:
            self._remember(replace(self.source, start=start))
            self._tail += bytes([ERASED]) * start

    def place_apart(self) -> None:
        """Decide that the package goes into the staging area, before its first byte is written."""
        if self._area is None:
            raise StorageFull("this device has no staging area")
        if self.source is not None:
            self._area.take(self.number)
            self._area.region.clean()
            self._remember(replace(self.source, apart=True))

    def append(self, data: bytes) -> None:
        """Add the next bytes: into the flash first, then into the journal."""
        self._tail += data
        self._check_room(self.received)
        unit = self.region.flash.geometry.write_bytes
        self._flush(len(self._tail) // unit * unit)

    def finish(self) -> None:
        """Say that what has arrived is all of it."""
        if self.source is not None and self.source.total_bytes != self.received:
            self._remember(replace(self.source, total_bytes=self.received))
        self._flush(len(self._tail))

    def forget(self) -> None:
        """Stop fetching."""
        self._journal.put(_SOURCE_KEY + self.number, b"")
        self._tail.clear()
        self._set_stored(0)
        self.source = None
        if self._area is not None:
            self._area.give_back(self.number)

    def contents(self) -> bytes:
        """Return what of the package has arrived so far."""
        if self.source is None or self._stored <= self.source.start:
            return b""
        return self._target.read(self.source.start, self._stored - self.source.start) + bytes(self._tail)

    def _check_room(self, package_bytes: int) -> None:
        start = self.source.start if self.source is not None else 0
        if start + package_bytes > self._target.length:
            raise StorageFull(f"a package of {package_bytes} B does not fit into {self._target.length} B")

    def _flush(self, count: int) -> None:
        if count:
            self._target.program(self._stored, bytes(self._tail[:count]))
            del self._tail[:count]
            self._set_stored(self._stored + count)

    def _remember(self, source: Source) -> None:
        row = [source.uri, source.etag, source.total_bytes, source.start, source.apart]
        self._journal.put(_SOURCE_KEY + self.number, cbor2.dumps(row))
        self.source = source

    def _set_stored(self, stored: int) -> None:
        self._journal.put(_STORED_KEY + self.number, stored.to_bytes(4, "little"))
        self._stored = stored

    def _drop_torn_block(self) -> None:
        """A write that was cut off left cells that cannot be programmed again: give up its whole erase block."""
        target = self._target
        if target.is_erased(self._stored, target.length - self._stored):
            return
        size = target.flash.geometry.erase_block_bytes
        self._set_stored(self._stored // size * size)
        target.clean(self._stored)
