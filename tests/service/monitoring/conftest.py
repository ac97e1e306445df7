"""A device that counts what it infers, and a store to keep alarms in."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.service.monitoring.alarms import Alarms
from lwm2m_ml.store import Store

MODEL, RESULT = 42770, 42771
DIGEST = bytes(range(32))


class CountingDevice:
    """Answers reads as a device with one module slot that has counted `classes` and `histogram`."""

    def __init__(self, *, digest: bytes = DIGEST, state: int = 3) -> None:
        self.digest = digest
        self.state = state
        self.slot = 0
        self.classes: dict[int, int] = {}
        self.histogram: list[int] = []
        self.reads: list[str] = []
        self.executed: list[tuple[str, str]] = []
        self.more: dict[ObjectPath, Sequence[Record]] = {}

    def count(self, classes: Sequence[int], histogram: Sequence[int]) -> None:
        for number, more in enumerate(classes):
            self.classes[number] = self.classes.get(number, 0) + more
        before = self.histogram or [0] * len(histogram)
        self.histogram = [one + other for one, other in zip(before, histogram, strict=True)]

    def instances(self, endpoint: str, object_id: int) -> tuple[int, ...] | None:
        return (0,) if object_id in {MODEL, RESULT} else None

    def last_seen(self, endpoint: str) -> float | None:
        return 0.0

    async def read(self, endpoint: str, path: ObjectPath) -> Sequence[Record]:
        self.reads.append(str(path))
        if path in self.more:
            return self.more[path]
        if path.object_id == MODEL:
            return (
                Record(ObjectPath(MODEL, self.slot, 3), self.digest),
                Record(ObjectPath(MODEL, self.slot, 11), self.state),
            )
        return (
            Record(ObjectPath(RESULT, 0, 0), ObjectLink(MODEL, self.slot)),
            *(Record(ObjectPath(RESULT, 0, 6, number), count) for number, count in self.classes.items()),
            *(Record(ObjectPath(RESULT, 0, 15, number), count) for number, count in enumerate(self.histogram)),
        )

    async def write(self, endpoint: str, path: ObjectPath, value: Value) -> None:
        raise AssertionError("watching writes nothing")

    async def execute(self, endpoint: str, path: ObjectPath, arguments: str = "") -> None:
        self.executed.append((str(path), arguments))

    async def observe(self, endpoint: str, path: ObjectPath, *, lasting: bool = False) -> None:
        raise AssertionError("watching observes nothing")


@pytest.fixture
def device() -> CountingDevice:
    return CountingDevice()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'test.sqlite3'}")
    yield store
    await store.close()


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus()
    yield bus
    await bus.close()


@pytest.fixture
async def alarms(store: Store, bus: Bus) -> Alarms:
    alarms = Alarms(store.alarms, bus)
    await alarms.start()
    return alarms
