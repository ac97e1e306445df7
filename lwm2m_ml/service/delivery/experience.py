"""What is known to work on devices of one kind: which ways bytes arrived by, and which they did not."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lwm2m_ml.service.delivery.ways import Way
from lwm2m_ml.store.delivery_experience import DeliveryExperienceRecord, DeliveryExperienceRepository


@dataclass(frozen=True, slots=True)
class Experience:
    """How one way went so far: deliveries that arrived, transfers that failed, and the blocks that devices ask for."""

    arrived: int = 0
    failed: int = 0
    block_bytes: int | None = None

    @property
    def rank(self) -> int:
        """Known to work before untried before known to fail."""
        if self.arrived == self.failed == 0:
            return 1
        return 0 if self.arrived >= self.failed else 2


class Experiences:
    """Experience by kind of device and way, in memory and in the store.

    `kind_of` names the kind of a device: devices of one make, model and firmware share what is known.
    """

    def __init__(self, repository: DeliveryExperienceRepository, kind_of: Callable[[str], str]) -> None:
        self._repository = repository
        self._kind_of = kind_of
        self._known: dict[tuple[str, str], Experience] = {}

    async def start(self) -> None:
        """Load what is stored."""
        for record in await self._repository.all():
            self._known[record.kind, record.way] = Experience(record.arrived, record.failed, record.block_bytes)

    def ordered(self, endpoint: str, ways: Sequence[Way]) -> tuple[Way, ...]:
        """Return the ways in the order in which they should be tried: what is known to work first."""
        kind = self._kind_of(endpoint)
        return tuple(sorted(ways, key=lambda way: self._of(kind, way.name).rank))

    def block_bytes(self, endpoint: str) -> int | None:
        """Return the size of the blocks that devices of this kind ask for themselves, None when none ever did."""
        kind = self._kind_of(endpoint)
        sizes = [known.block_bytes for (of, _), known in self._known.items() if of == kind and known.block_bytes]
        return min(sizes, default=None)

    async def note(self, endpoint: str, way: Way, *, arrived: bool, block_bytes: int | None) -> None:
        """Remember how a way went."""
        kind = self._kind_of(endpoint)
        before = self._of(kind, way.name)
        now = dataclasses.replace(
            before,
            arrived=before.arrived + arrived,
            failed=before.failed + (not arrived),
            block_bytes=block_bytes or before.block_bytes,
        )
        self._known[kind, way.name] = now
        await self._repository.put(DeliveryExperienceRecord(kind, way.name, now.arrived, now.failed, now.block_bytes))

    def _of(self, kind: str, way: str) -> Experience:
        return self._known.get((kind, way), Experience())
