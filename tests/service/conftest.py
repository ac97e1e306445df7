"""A device that exists in memory only: objects 3, 5, 9 and the ML objects, with what can go wrong at each step."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.lwm2m.ni import parse_ni
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.server.errors import DeviceError, DeviceTimeout, RequestInterrupted, UnknownDevice
from lwm2m_ml.server.events import DeviceRegistered
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.signals import DeviceSignals
from lwm2m_ml.service.delivery.timing import DeliveryTiming
from lwm2m_ml.store import Store

CAPABILITIES, MODEL, RESULT = 42769, 42770, 42771
VENDOR, CLASS = b"v" * 16, b"c" * 16
METHOD_NOT_ALLOWED, NOT_FOUND, UNAUTHORIZED = 0x85, 0x84, 0x81


@dataclass
class FakeOffer:
    """A package on the fake shelf."""

    uri: str
    token: str
    content: bytes
    bytes_served: int = 0
    block_bytes: int | None = None

    @property
    def http_uri(self) -> str:
        return self.uri.replace("coap:", "http:")


class FakeShelf:
    """Where fake devices fetch from."""

    def __init__(self) -> None:
        self.offers: dict[str, FakeOffer] = {}
        self.published = 0

    def publish(self, content: bytes, *, endpoint: str) -> FakeOffer:
        for known in self.offers.values():
            if known.content == content and known.token.rpartition("-")[0] == endpoint:
                return known
        self.published += 1
        token = f"{endpoint}-{self.published}"
        offer = FakeOffer(f"coap://server/packages/{token}", token, content)
        self.offers[token] = offer
        return offer

    async def offer(self, content: bytes, *, endpoint: str) -> FakeOffer:
        return self.publish(content, endpoint=endpoint)

    def withdraw(self, token: str) -> None:
        self.offers.pop(token, None)


@dataclass
class FakeSlot:
    """One module slot: ML Model and the delivery object in front of it."""

    instance: int
    road: int = 9
    delivery_instance: int = 0
    uri: str = ""
    integrity: str = ""
    received: bytes = b""
    delivery_state: int = 0
    delivery_result: int = 0
    active: bool = False
    state: int = 0
    result: int = 0
    digest: bytes = bytes(32)
    inferences: int = 0
    failures: int = 0
    score: float | None = None
    storage_used: int = 0
    memory_used: int = 0


@dataclass
class FakeDevice:
    """A device that does one step of its own work at every Read of a state; what it does wrong is set by its fields."""

    shelf: FakeShelf
    bus: Bus
    endpoint: str = "device"
    slots: list[FakeSlot] = field(
        default_factory=lambda: [FakeSlot(0, delivery_instance=0), FakeSlot(1, delivery_instance=1)]
    )
    digest_of: Callable[[bytes], bytes] = lambda package: hashlib.sha256(package).digest()
    block: int = 64
    rejects: int | None = None
    module_result: int = 0
    deaf: bool = False
    lazy: bool = False
    schemes: tuple[str, ...] = ("coap",)
    push_fails: int | None = None
    method: int | None = None
    protocols: tuple[int, ...] | None = None
    defers_for: int = 0
    severity: list[Value] = field(default_factory=list)
    broken_roads: frozenset[int] | set[int] = frozenset()
    pushes: list[int | None] = field(default_factory=list)
    lies: bool = False
    forgetful: bool = False
    power_cut_at: int | None = None
    lost_answers: int = 0
    score: float = 100.0
    fails_in_trial: bool = False
    storage_free: int = 100_000
    storage_maximum: int = 100_000
    memory_total: int = 32_768
    target: str = "cortex-m4f"
    isa: tuple[str, ...] = ("armv7e-m", "dsp", "fpv4-sp-d16")
    ml: bool = True
    locked: frozenset[int] = frozenset()
    writes: list[tuple[str, Value]] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    off_for: int = 0
    interrupts: int = 0
    asleep: bool = False
    absent: bool = False
    model_of: Callable[[bytes], tuple[str, str]] = lambda package: ("", "")
    agreement: float | None = None
    latency: float | None = None

    # Operations of DeviceAccess

    def instances(self, endpoint: str, object_id: int) -> tuple[int, ...] | None:
        known = {
            3: (0,),
            9: tuple(s.delivery_instance for s in self.slots if s.road == 9),
            5: tuple(s.delivery_instance for s in self.slots if s.road == 5),
            513: tuple(s.delivery_instance for s in self.slots if s.road == 513),
        }
        if self.ml:
            slots = tuple(slot.instance for slot in self.slots)
            known |= {CAPABILITIES: (0,), MODEL: slots, RESULT: slots}
        return None if self.absent else known.get(object_id) or None

    def last_seen(self, endpoint: str) -> float | None:
        return None if self.absent else 0.0

    def awake(self, endpoint: str) -> bool:
        return not self.asleep

    async def observe(self, endpoint: str, path: ObjectPath, *, lasting: bool = False) -> None:
        return None

    async def read(self, endpoint: str, path: ObjectPath) -> Sequence[Record]:
        await self._reachable(endpoint)
        if path == ObjectPath(3) and 3 not in self.locked:
            return (Record(ObjectPath(3, 0, 0), "ACME"), Record(ObjectPath(3, 0, 1), "Board 1"))
        if path == ObjectPath(CAPABILITIES) and CAPABILITIES not in self.locked:
            return capability_records(self)
        if path in {ObjectPath(MODEL), ObjectPath(RESULT)}:
            return self._whole(path)
        if self.locked and path.object_id in self.locked:
            raise DeviceError(endpoint, "Read", UNAUTHORIZED)
        if (path.object_id, path.resource_id) == (5, 8) and self.protocols is not None:
            return tuple(Record(path.child(index), one) for index, one in enumerate(self.protocols))
        value = self._model(path) if path.object_id == MODEL else self._delivery(path)
        if value is None:
            raise DeviceError(endpoint, "Read", NOT_FOUND)
        return (Record(path, value),)

    async def write(self, endpoint: str, path: ObjectPath, value: Value) -> None:
        await self._reachable(endpoint)
        slot = self._slot(path)
        if path.object_id == 513 and path.resource_id in {5, 13}:
            self._configure(slot, path.resource_id, value)
            await self._answer(endpoint)
            return
        if path.object_id == 5 and path.resource_id in {11, 13}:
            self.severity.append(value)
            return
        self.writes.append((str(path), value))
        if self.lies or self.deaf:
            return
        slot.uri, slot.delivery_state, slot.delivery_result, slot.received = str(value), 0, 0, b""
        if value:
            self._erase(slot)
            slot.delivery_state = 1
        await self._answer(endpoint)

    async def push(
        self, endpoint: str, path: ObjectPath, content: bytes, *, within: float, block_bytes: int | None
    ) -> None:
        await self._reachable(endpoint)
        self.pushes.append(block_bytes)
        if self.push_fails is not None:
            raise DeviceError(endpoint, "Write", self.push_fails)
        slot = self._slot(path)
        if self.lies or self.deaf:
            return
        self._erase(slot)
        slot.uri, slot.received, slot.delivery_result = "", content, 0
        if self.power_cut_at is not None:
            self.power_cut_at, slot.delivery_state, slot.received = None, 1, content[: self.power_cut_at]
            self.power_cut()
            raise DeviceTimeout(f"{endpoint} does not answer", endpoint=endpoint)
        self._check(slot)
        await self._answer(endpoint)

    async def execute(self, endpoint: str, path: ObjectPath, arguments: str = "") -> None:
        await self._reachable(endpoint)
        self.executed.append(str(path))
        if not self.lies:
            self._execute(endpoint, path)
        await self._answer(endpoint)

    # What the device does by itself

    def _configure(self, slot: FakeSlot, resource: int, value: Value) -> None:
        """Model Integrity and Enabled of object 513."""
        if resource == 5:
            slot.integrity = str(value)
        elif value and not self.lies:
            self.executed.append(f"/513/{slot.delivery_instance}/13")
            if slot.state in {1, 4}:
                self._begin_trial(slot)

    def _execute(self, endpoint: str, path: ObjectPath) -> None:
        slot = self._slot(path)
        match path.object_id, path.resource_id:
            case 9, 4 if slot.delivery_state == 3:
                slot.delivery_state, slot.delivery_result = 4, 2
            case 9, 6:
                slot.delivery_state, slot.delivery_result, slot.active = 0, 0, False
                self._erase(slot)
            case 9, 10 if slot.delivery_state == 4:
                slot.active = True
                self._begin_trial(slot)
            case 5, 2 if slot.delivery_state == 2 and self.defers_for:
                slot.delivery_result = 11
            case 5, 10 if slot.delivery_state in {1, 2}:
                slot.delivery_state, slot.delivery_result = 0, 10
                self._erase(slot)
            case 5, 2 if slot.delivery_state == 2:
                slot.delivery_state = 3
                self.power_cut()
                slot.delivery_state, slot.delivery_result = (0, 8) if self.module_result else (0, 1)
                self._begin_trial(slot)
            case 42770, 13 if slot.state == 2:
                slot.state, slot.result = 3, 1
            case 42770, 14 if slot.state in {2, 3}:
                slot.state, slot.result = 5, 18
                for other in self.slots:
                    if other.state == 4:
                        other.state = 3
            case _:
                raise DeviceError(endpoint, "Execute", METHOD_NOT_ALLOWED)

    def power_cut(self) -> None:
        self.off_for = 3
        for slot in self.slots:
            if self.forgetful:
                slot.received, slot.delivery_state, slot.uri = b"", 0, ""

    def _begin_trial(self, slot: FakeSlot) -> None:
        if self.module_result:
            slot.state, slot.result = 5, self.module_result
            return
        for other in self.slots:
            if other.state in {2, 3}:
                other.state = 4
        slot.state, slot.result, slot.score = 2, 0, self.score

    def _erase(self, slot: FakeSlot) -> None:
        slot.state, slot.result, slot.digest, slot.score = 0, 0, bytes(32), None
        slot.inferences = slot.failures = 0

    def _work(self, slot: FakeSlot) -> None:
        """Do one step: fetch a block, or check what has arrived."""
        offer = next((one for one in self.shelf.offers.values() if slot.uri in {one.uri, one.http_uri}), None)
        if slot.delivery_state != 1 or self.lazy or not slot.uri:
            return
        if offer is None or slot.uri.partition(":")[0] not in self.schemes or slot.road in self.broken_roads:
            slot.delivery_state, slot.delivery_result = 0, 56 if slot.road == 9 else 7
        elif len(slot.received) < len(offer.content):
            block = offer.content[len(slot.received) : len(slot.received) + self.block]
            slot.received += block
            offer.bytes_served += len(block)
            offer.block_bytes = self.block
            if self.power_cut_at is not None and len(slot.received) >= self.power_cut_at:
                self.power_cut_at = None
                self.power_cut()
        else:
            self._check(slot)

    def _check(self, slot: FakeSlot) -> None:
        """Verify what has arrived."""
        if self.rejects is not None:
            slot.delivery_state, slot.delivery_result = 0, self.rejects
            slot.state, slot.result = 5, self.module_result
        else:
            assert not slot.integrity or parse_ni(slot.integrity) == hashlib.sha256(slot.received).digest()
            slot.delivery_state, slot.digest = 3 if slot.road == 9 else 2, self.digest_of(slot.received)
            slot.delivery_result = 3 if slot.road == 9 else 0
            slot.state = 1

    async def _reachable(self, endpoint: str) -> None:
        await asyncio.sleep(0)
        if self.absent or endpoint != self.endpoint:
            raise UnknownDevice(endpoint)
        if self.interrupts:
            self.interrupts -= 1
            raise RequestInterrupted(f"{endpoint} registered anew", endpoint=endpoint)
        if self.off_for:
            self.off_for -= 1
            if not self.off_for:
                self.bus.publish(DeviceRegistered(self.endpoint, reregistered=True))
            raise DeviceTimeout(f"{endpoint} does not answer", endpoint=endpoint)

    async def _answer(self, endpoint: str) -> None:
        """The device has acted, but its answer may get lost."""
        if self.lost_answers:
            self.lost_answers -= 1
            raise DeviceTimeout(f"{endpoint} does not answer", endpoint=endpoint)

    def _slot(self, path: ObjectPath) -> FakeSlot:
        for slot in self.slots:
            number = slot.instance if path.object_id == MODEL else slot.delivery_instance
            if number == path.instance_id and path.object_id in {MODEL, slot.road}:
                return slot
        raise DeviceError(self.endpoint, "Read", NOT_FOUND)

    def _delivery(self, path: ObjectPath) -> Value | None:
        slot = self._slot(path)
        resource = path.resource_id
        if (slot.road, resource) == (5, 3) and slot.delivery_result == 11:
            self.defers_for -= 1
            if not self.defers_for:
                self._execute(self.endpoint, ObjectPath(5, 0, 2))
        if (slot.road, resource) in {(9, 7), (5, 3)}:
            self._work(slot)
            return slot.delivery_state
        if (slot.road, resource) == (5, 9):
            return self.method
        if slot.road == 513:
            return {4: slot.uri, 5: slot.integrity}.get(resource or 0)
        if (slot.road, resource) in {(9, 9), (5, 5)}:
            return slot.delivery_result
        return slot.active if (slot.road, resource) == (9, 12) else None

    def _whole(self, path: ObjectPath) -> tuple[Record, ...]:
        """All that ML Model or ML Inference Result says of every slot."""
        records = []
        for slot in self.slots:
            instance = path.child(slot.instance)
            if path.object_id == RESULT:
                values: dict[int, Value | None] = {0: ObjectLink(MODEL, slot.instance), 14: self.agreement}
            else:
                slot.inferences += 5 if slot.state in {2, 3} else 0
                values = self._values(slot)
            records += [Record(instance.child(n), value) for n, value in values.items() if value is not None]
        return tuple(records)

    def _model(self, path: ObjectPath) -> Value | None:
        slot = self._slot(path)
        if slot.road == 513 and path.resource_id == 11:
            self._work(slot)
        if path.resource_id == 11 and slot.state == 2 and not self.lazy:
            slot.inferences += 1
            slot.failures += self.fails_in_trial
        return self._values(slot).get(path.resource_id if path.resource_id is not None else -1)

    def _values(self, slot: FakeSlot) -> dict[int, Value | None]:
        name, version = self.model_of(slot.received) if slot.received and slot.state else ("", "")
        return {
            0: name,
            1: version,
            3: slot.digest,
            4: ObjectLink(slot.road, slot.delivery_instance),
            9: slot.storage_used,
            10: slot.memory_used,
            11: slot.state,
            12: slot.result,
            19: slot.score,
            25: slot.inferences,
            26: slot.failures,
            28: self.latency,
        }


def capability_records(device: FakeDevice) -> tuple[Record, ...]:
    """What object 42769 of the fake device says."""
    single: dict[int, Value] = {
        0: "fake",
        1: "1.0.0",
        2: device.target,
        3: 64.0,
        4: device.memory_total,
        5: device.memory_total,
        6: device.storage_free,
        7: device.storage_free,
        8: device.storage_maximum,
        9: len(device.slots),
        10: sum(slot.state == 0 for slot in device.slots),
        12: "native",
        25: VENDOR,
        26: CLASS,
    }
    multiple: dict[int, tuple[Value, ...]] = {11: (2,), 15: (2, 3), 21: (0,), 22: (-8, -7), 32: device.isa}
    records = [Record(ObjectPath(CAPABILITIES, 0, number), value) for number, value in single.items()]
    for number, values in multiple.items():
        records.extend(Record(ObjectPath(CAPABILITIES, 0, number, i), value) for i, value in enumerate(values))
    return tuple(records)


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus()
    yield bus
    await bus.close()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all its tables: making them takes longer than most tests."""
    path = tmp_path_factory.mktemp("database") / "empty.sqlite3"

    async def make() -> None:
        await (await Store.open(f"sqlite+aiosqlite:///{path}")).close()

    asyncio.run(make())
    return path


@pytest.fixture
async def store(tmp_path: Path, empty_database: Path) -> AsyncIterator[Store]:
    path = shutil.copy(empty_database, tmp_path / "test.sqlite3")
    store = await Store.open(f"sqlite+aiosqlite:///{path}")
    yield store
    await store.close()


@pytest.fixture
def shelf() -> FakeShelf:
    return FakeShelf()


@pytest.fixture
def new_device(shelf: FakeShelf, bus: Bus) -> Callable[..., FakeDevice]:
    """Make a device; keyword arguments are its fields."""
    return lambda **fields: FakeDevice(shelf, bus, **fields)


@pytest.fixture
def quick() -> DeliveryTiming:
    """The patience of a device that does everything at once."""
    return DeliveryTiming(
        poll=0.001,
        quick_poll=0.001,
        first_block=0.05,
        next_block=0.05,
        device_work=0.05,
        silence=0.2,
        attempts=3,
        trial=0.2,
        evidence=0.01,
    )


@pytest.fixture
async def session_of(bus: Bus, quick: DeliveryTiming) -> AsyncIterator[Callable[[FakeDevice], Session]]:
    """Make the session of a device, watched as long as the test runs."""
    signals = DeviceSignals(bus)
    signals.start()
    watches = []

    def make(device: FakeDevice) -> Session:
        watching = signals.watch(device.endpoint)
        watches.append(watching)
        return Session(device.endpoint, device, watching.__enter__(), MODEL, quick)

    yield make
    for watching in watches:
        watching.__exit__(None, None, None)
    signals.stop()


@pytest.fixture
def device_type() -> type[FakeDevice]:
    return FakeDevice


@pytest.fixture
def shelf_type() -> type[FakeShelf]:
    return FakeShelf


@pytest.fixture
def capabilities() -> Callable[[FakeDevice], tuple[Record, ...]]:
    return capability_records


@pytest.fixture
def slot_of() -> type[FakeSlot]:
    return FakeSlot
