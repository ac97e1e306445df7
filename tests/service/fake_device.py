"""A device that exists in memory only: objects 3, 5, 9 and the ML objects, with what can go wrong on the way to it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.server.errors import DeviceError, DeviceTimeout, RequestInterrupted, UnknownDevice
from lwm2m_ml.server.events import DeviceRegistered
from tests.service.fake_loader import MODEL, NOT_FOUND, RESULT, FakeLoader

CAPABILITIES = 42769
VENDOR, CLASS = b"v" * 16, b"c" * 16
UNAUTHORIZED = 0x81


@dataclass
class FakeDevice(FakeLoader):
    """Answers what is asked through `DeviceAccess`; what it does wrong is set by its fields."""

    push_fails: int | None = None
    protocols: tuple[int, ...] | None = None
    severity: list[Value] = field(default_factory=list)
    pushes: list[int | None] = field(default_factory=list)
    lost_answers: int = 0
    locked: frozenset[int] = frozenset()
    writes: list[tuple[str, Value]] = field(default_factory=list)
    interrupts: int = 0
    asleep: bool = False
    absent: bool = False

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
            slot.erase()
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
        slot.erase()
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
