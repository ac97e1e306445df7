"""What a fake device does by itself, one step at every Read of a state: it fetches, checks, tries and falls back."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from lwm2m_ml.bus import Bus
from lwm2m_ml.lwm2m.ni import parse_ni
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.server.errors import DeviceError
from tests.service.fake_shelf import FakeShelf

MODEL, RESULT = 42770, 42771
METHOD_NOT_ALLOWED, NOT_FOUND = 0x85, 0x84


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

    def erase(self) -> None:
        """Forget the module that was in it."""
        self.state, self.result, self.digest, self.score = 0, 0, bytes(32), None
        self.inferences = self.failures = 0


@dataclass
class FakeLoader:
    """Modules in slots; what goes wrong with them is set by its fields."""

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
    method: int | None = None
    defers_for: int = 0
    broken_roads: frozenset[int] | set[int] = frozenset()
    lies: bool = False
    forgetful: bool = False
    power_cut_at: int | None = None
    score: float = 100.0
    fails_in_trial: bool = False
    storage_free: int = 100_000
    storage_maximum: int = 100_000
    memory_total: int = 32_768
    target: str = "cortex-m4f"
    isa: tuple[str, ...] = ("armv7e-m", "dsp", "fpv4-sp-d16")
    ml: bool = True
    executed: list[str] = field(default_factory=list)
    off_for: int = 0
    model_of: Callable[[bytes], tuple[str, str]] = lambda package: ("", "")
    agreement: float | None = None
    latency: float | None = None

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
                slot.erase()
            case 9, 10 if slot.delivery_state == 4:
                slot.active = True
                self._begin_trial(slot)
            case 5, 2 if slot.delivery_state == 2 and self.defers_for:
                slot.delivery_result = 11
            case 5, 10 if slot.delivery_state in {1, 2}:
                slot.delivery_state, slot.delivery_result = 0, 10
                slot.erase()
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
