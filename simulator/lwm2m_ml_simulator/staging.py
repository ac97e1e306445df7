"""A package on its way into a slot: written block by block, its progress in the journal, resumable after any cut."""

from dataclasses import dataclass

import cbor2

from lwm2m_ml_simulator.errors import StorageFull
from lwm2m_ml_simulator.flash import FlashRegion
from lwm2m_ml_simulator.journal import Journal

# Per slot one record that says what is being fetched and one, written with every block, that says how far it came.
_SOURCE_KEY = 16
_RECEIVED_KEY = 32


@dataclass(frozen=True, slots=True)
class Source:
    """What is being fetched; blocks of another entity tag must not be mixed in (RFC 7959 §2.4)."""

    uri: str
    etag: bytes | None = None
    total_bytes: int | None = None


class Staging:
    """The package of one slot while it arrives."""

    def __init__(self, journal: Journal, number: int, region: FlashRegion) -> None:
        self._journal = journal
        self.number = number
        self.region = region
        stored = journal.get(_SOURCE_KEY + number)
        self.source = Source(*cbor2.loads(stored)) if stored else None
        self.received = int.from_bytes(journal.get(_RECEIVED_KEY + number) or b"", "little") if self.source else 0
        if self.source is not None:
            self._drop_torn_block()

    @property
    def capacity(self) -> int:
        """How many bytes the slot holds."""
        return self.region.length

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are here."""
        return self.source is not None and self.source.total_bytes == self.received

    def begin(self, source: Source) -> None:
        """Start anew; the slot must have been cleared in the journal before."""
        if source.total_bytes is not None and source.total_bytes > self.capacity:
            raise StorageFull(f"a package of {source.total_bytes} B does not fit into a slot of {self.capacity} B")
        self.forget()
        self._erase_from(0)
        self._remember(source)

    def append(self, block: bytes) -> None:
        """Add the next bytes: into the flash first, then into the journal."""
        if self.received + len(block) > self.capacity:
            raise StorageFull(f"the package is larger than the slot of {self.capacity} B")
        self.region.program(self.received, block)
        self._set_received(self.received + len(block))

    def finish(self) -> None:
        """Say that what has arrived is all of it."""
        if self.source is not None and self.source.total_bytes != self.received:
            self._remember(Source(self.source.uri, self.source.etag, self.received))

    def forget(self) -> None:
        """Stop fetching."""
        self._journal.put(_SOURCE_KEY + self.number, b"")
        self._set_received(0)
        self.source = None

    def contents(self) -> bytes:
        """Return what has arrived so far."""
        return self.region.read(0, self.received)

    def _remember(self, source: Source) -> None:
        self._journal.put(_SOURCE_KEY + self.number, cbor2.dumps([source.uri, source.etag, source.total_bytes]))
        self.source = source

    def _set_received(self, received: int) -> None:
        self._journal.put(_RECEIVED_KEY + self.number, received.to_bytes(4, "little"))
        self.received = received

    def _drop_torn_block(self) -> None:
        """A block that was cut off left cells that cannot be programmed again: give up its whole erase block."""
        if self.region.is_erased(self.received, self.capacity - self.received):
            return
        size = self.region.flash.geometry.erase_block_bytes
        self._set_received(self.received // size * size)
        self._erase_from(self.received)

    def _erase_from(self, offset: int) -> None:
        """Erase the blocks from `offset` (a block boundary) on that are not erased yet: wear counts."""
        size = self.region.flash.geometry.erase_block_bytes
        for start in range(offset, self.capacity, size):
            if not self.region.is_erased(start, size):
                self.region.erase(start, size)
