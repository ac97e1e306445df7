"""Devices that exist in memory only and answer as they are told to, and runs with them on a real store."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy
import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.bus.ownership import SoleOwner
from lwm2m_ml.learning.terms import LearningResult, LearningState, VectorEncoding
from lwm2m_ml.learning.update import Update
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.server.errors import DeviceError, UnknownDevice
from lwm2m_ml.server.events import DataSent
from lwm2m_ml.service.federated.device import LearningObjects
from lwm2m_ml.service.federated.federation import FederatedOverview, Federation
from lwm2m_ml.service.federated.plan import FederatedPlan
from lwm2m_ml.service.federated.records import FederatedRecords
from lwm2m_ml.service.federated.run import Answer
from lwm2m_ml.service.groups.selections import Selection
from lwm2m_ml.service.resources import LearningResource, ModelResource
from lwm2m_ml.service.zoo.model import Model, Variant
from lwm2m_ml.store import Store

MODEL, LEARNING = 42770, 42772
Found = TypeVar("Found")
PARAMETERS = 6
HEAD = numpy.arange(PARAMETERS, dtype="<f4").tobytes()
ZOO = Model("reader", "1.0", "", "", (), (Variant("reader", "d", 1, 1),))


@dataclass
class FakeLearner:
    """One device; `delta` is how far its parameters go, `spoils` what becomes of its update."""

    endpoint: str
    delta: float = 0.1
    examples: int = 5
    parameters: int = PARAMETERS
    model: str = "reader"
    digest: bytes = bytes(range(32))
    awake: bool = True
    never_ready: bool = False
    refuses: bool = False
    spoils: Callable[[bytes], bytes] = lambda content: content
    values: dict[int, Value] = field(default_factory=dict)
    executed: list[int] = field(default_factory=list)
    adopted: bytes = b""
    gate: asyncio.Event | None = None
    learnt: int = 0

    @property
    def state(self) -> LearningState:
        if LearningResource.LEARN not in self.executed:
            return LearningState.IDLE
        waits = self.never_ready or (self.gate is not None and not self.gate.is_set())
        return LearningState.LEARNING if waits else LearningState.READY

    def update(self) -> bytes:
        tells = self.values[LearningResource.TELL_STATISTICS]
        token = self.values[LearningResource.TOKEN]
        assert isinstance(token, bytes)
        delta = numpy.full(self.parameters, self.delta, numpy.float32)
        made = Update(token, self.digest, self.examples if tells else 0, 0.5 if tells else 0.0, delta)
        return self.spoils(made.encode(VectorEncoding.FLOAT32))


class FakeFleet:
    """The LwM2M operations that rounds use."""

    def __init__(self, *learners: FakeLearner) -> None:
        self.learners = {learner.endpoint: learner for learner in learners}

    def _find(self, endpoint: str) -> FakeLearner:
        if endpoint not in self.learners:
            raise UnknownDevice(f"{endpoint} is not registered")
        return self.learners[endpoint]

    def instances(self, endpoint: str, object_id: int) -> tuple[int, ...] | None:
        return (0,) if endpoint in self.learners else None

    def last_seen(self, endpoint: str) -> float | None:
        return time.time()

    def awake(self, endpoint: str) -> bool:
        return endpoint in self.learners and self.learners[endpoint].awake

    def traffic(self, endpoint: str) -> tuple[int, int]:
        learner = self.learners.get(endpoint)
        return (0, 0) if learner is None else (100 * learner.learnt, 1000 * learner.learnt)

    async def read(self, endpoint: str, path: ObjectPath) -> Sequence[Record]:
        learner = self._find(endpoint)
        await asyncio.sleep(0)
        if path.object_id == MODEL:
            facts: dict[int, Value] = {
                ModelResource.NAME: learner.model,
                ModelResource.VERSION: "1.0",
                ModelResource.MODULE_DIGEST: learner.digest,
                ModelResource.STATE: 3,
                ModelResource.RESULT: 1,
            }
            return [Record(ObjectPath(MODEL, 0, number), value) for number, value in facts.items()]
        values: dict[int, Value] = {
            LearningResource.MODEL: ObjectLink(MODEL, 0),
            LearningResource.STATE: int(learner.state),
            LearningResource.RESULT: int(LearningResult.TOO_FEW_EXAMPLES),
            LearningResource.PARAMETERS: learner.parameters,
            LearningResource.INSTRUCTIONS: 1000,
            LearningResource.ENERGY: 0.5,
        }
        if path.resource_id == LearningResource.UPDATE:
            return [Record(path, learner.update())]
        assert path.resource_id is not None
        return [Record(path, values[path.resource_id])]

    async def write(self, endpoint: str, path: ObjectPath, value: Value) -> None:
        raise AssertionError("rounds write an instance at once")

    async def write_records(self, endpoint: str, path: ObjectPath, records: Sequence[Record], within: float) -> None:
        learner = self._find(endpoint)
        if learner.refuses:
            raise DeviceError(endpoint, "Write", 0xA0)
        for record in records:
            assert record.path.resource_id is not None
            assert record.value is not None
            learner.values[record.path.resource_id] = record.value

    async def execute(self, endpoint: str, path: ObjectPath, arguments: str = "") -> None:
        learner = self._find(endpoint)
        assert path.resource_id is not None
        learner.executed.append(path.resource_id)
        if path.resource_id == LearningResource.LEARN:
            learner.learnt += 1
        if path.resource_id == LearningResource.ADOPT:
            weights = learner.values[LearningResource.WEIGHTS]
            assert isinstance(weights, bytes)
            learner.adopted = weights

    async def observe(self, endpoint: str, path: ObjectPath, *, lasting: bool = False) -> None:
        raise AssertionError("rounds observe nothing")


class FakeHeads:
    async def head_parameters(self, model: Model, variant: Variant) -> bytes:
        return HEAD


@dataclass
class Bench:
    """Runs on a store that stays when the federation goes."""

    path: Path
    fleet: FakeFleet
    federation: Federation
    bus: Bus

    async def start(self, **plan: Any) -> FederatedOverview:
        chosen = {"start": "zeros", "adopt": False, "sampling": {"share": 1.0, "seconds": 60.0}} | plan
        selection = Selection("all", tuple(self.fleet.learners))
        return await self.federation.create(ZOO, selection, FederatedPlan.from_json(chosen))

    async def until(self, run_id: str, condition: Callable[[FederatedOverview], object]) -> FederatedOverview:
        async def holds() -> FederatedOverview | None:
            found = await self.federation.overview(run_id)
            return found if condition(found) else None

        return await self.wait(holds)

    async def wait(self, look: Callable[[], Awaitable[Found | None]]) -> Found:
        """Look again and again until there is something."""
        async with asyncio.timeout(80):
            while True:
                found = await look()
                if found:
                    return found
                await asyncio.sleep(0.01)

    async def learning(self, endpoint: str) -> FakeLearner:
        """Wait until a device has been told to learn."""

        async def begun() -> FakeLearner | None:
            learner = self.fleet.learners[endpoint]
            return learner if LearningResource.LEARN in learner.executed else None

        return await self.wait(begun)

    async def outcome(self, run_id: str, endpoint: str, outcome: str, number: int = 1) -> Answer:
        """Wait until something became of a device in a round."""

        async def found() -> Answer | None:
            answers = await self.federation.answers(run_id, number)
            return next((one for one in answers if (one.endpoint, one.outcome) == (endpoint, outcome)), None)

        return await self.wait(found)

    async def over(self, run_id: str) -> FederatedOverview:
        return await self.until(run_id, lambda found: found.run.finished)

    async def weights(self, run_id: str) -> list[float]:
        found: list[float] = numpy.frombuffer(await self.federation.weights(run_id), "<f4").tolist()
        return found

    def send(self, endpoint: str, content: bytes) -> None:
        path = ObjectPath(LEARNING, 0, LearningResource.UPDATE)
        self.federation.keep(DataSent(endpoint, (Record(path, content),), time.time()))


@asynccontextmanager
async def federating(path: Path, fleet: FakeFleet) -> AsyncIterator[Bench]:
    """A federation on the database of a folder, stopped at the end as when a server stops."""
    store = await Store.open(f"sqlite+aiosqlite:///{path / 'store.db'}")
    bus = Bus()
    federation = Federation(
        fleet,
        LearningObjects(MODEL, LEARNING, poll=0.01),
        FederatedRecords(store),
        FakeHeads(),
        bus=bus,
        ownership=SoleOwner(),
    )
    await federation.start()
    try:
        yield Bench(path, fleet, federation, bus)
    finally:
        await federation.stop()
        await bus.close()
        await store.close()


@pytest.fixture
def fleet() -> FakeFleet:
    """Three devices that do what they should."""
    return FakeFleet(*(FakeLearner(f"device-{number}") for number in range(3)))


@pytest.fixture
async def bench(tmp_path: Path, fleet: FakeFleet) -> AsyncIterator[Bench]:
    """A federation with these devices."""
    async with federating(tmp_path, fleet) as found:
        yield found
