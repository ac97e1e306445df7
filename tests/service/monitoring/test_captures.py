"""Inputs from devices: with consent, within a quota, and whole."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import ConflictError, InvalidInputError, NotFoundError, UsageError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml.server.errors import DeviceError
from lwm2m_ml.service.monitoring.alarms import DRIFT, Alarms, Subject
from lwm2m_ml.service.monitoring.capture_on_alarm import CaptureOnAlarm
from lwm2m_ml.service.monitoring.captures import Captures, CaptureTiming
from lwm2m_ml.service.monitoring.known_modules import KnownModule
from lwm2m_ml.store import Store
from tests.service.monitoring.conftest import DIGEST, MODEL, RESULT, CountingDevice

NOT_FOUND = 0x84
TENSOR = {"name": "x", "shape": [1, 4], "dtype": "int8", "scale": 0.5, "zero_point": 0, "bytes": 4}
LINK, CONTAINER = ObjectPath(RESULT, 0, 12), ObjectPath(19, 0)


class CapturingDevice(CountingDevice):
    """A device whose next input is ready `delay` reads after it was asked to keep it."""

    def __init__(self, *, delay: int = 2) -> None:
        super().__init__()
        self.delay = delay
        self.inputs = 0
        self.size = 4
        self._due: int | None = None

    async def read(self, endpoint: str, path: ObjectPath) -> Sequence[Record]:
        if path == LINK:
            if self._due is not None:
                self._due -= 1
                if self._due == 0:
                    self._keep()
            if not self.inputs:
                raise DeviceError(endpoint, f"Read {path}", NOT_FOUND)
            return (Record(LINK, ObjectLink(19, 0)),)
        if path == CONTAINER:
            data = bytes([self.inputs] * self.size)
            return (Record(ObjectPath(19, 0, 0, 0), data), Record(ObjectPath(19, 0, 3), f"result {self.inputs + 40}"))
        return await super().read(endpoint, path)

    async def execute(self, endpoint: str, path: ObjectPath, arguments: str = "") -> None:
        await super().execute(endpoint, path, arguments)
        self._due = self.delay

    def _keep(self) -> None:
        self.inputs += 1
        self._due = None


async def find(digest: bytes) -> KnownModule | None:
    return KnownModule("motion", "1.0.0", tensor=TENSOR) if digest == DIGEST else None


@pytest.fixture
def device() -> CapturingDevice:
    return CapturingDevice()


@pytest.fixture
def captures(device: CapturingDevice, store: Store) -> Captures:
    timing = CaptureTiming(poll=0.001, patience=0.2)
    return Captures(device, store.captures, find, model_object=MODEL, result_object=RESULT, timing=timing)


async def test_without_consent_nothing_is_asked(captures: Captures, device: CapturingDevice) -> None:
    with pytest.raises(ConflictError, match="may not be asked for inputs"):
        await captures.capture("device")
    assert device.executed == []


async def test_an_input_is_fetched_with_the_result_it_led_to(
    captures: Captures, device: CapturingDevice, store: Store
) -> None:
    await captures.allow("device", 5, "anna")
    first, second = await captures.capture("device"), await captures.capture("device")
    assert device.executed == [(f"/{RESULT}/0/11", "")] * 2
    assert (first.number, first.content) == (41, bytes([1] * 4))
    assert (second.number, second.content) == (42, bytes([2] * 4))
    stored = await store.captures.of_model("motion", limit=10)
    assert [(one.number, one.tensor, one.content) for one in stored] == [
        (41, TENSOR, first.content),
        (42, TENSOR, second.content),
    ]


async def test_the_quota_of_a_day_is_kept_even_by_those_who_ask_at_once(captures: Captures) -> None:
    await captures.allow("device", 3, "anna")
    found = await asyncio.gather(*(captures.capture("device") for _ in range(5)), return_exceptions=True)
    refused = [one for one in found if isinstance(one, ConflictError)]
    assert len(refused) == 2
    assert "has given its 3 inputs of the last 24 hours" in str(refused[0])
    assert await captures.left_today("device") == 0


@pytest.mark.parametrize("quota", [0, -1, 1001])
async def test_a_quota_that_is_none_is_refused(captures: Captures, quota: int) -> None:
    with pytest.raises(UsageError, match="A quota is 1 to 1000 inputs a day"):
        await captures.allow("device", quota, "anna")


async def test_who_may_not_be_asked_any_more_is_forgotten(captures: Captures, store: Store) -> None:
    await captures.allow("device", 5, "anna")
    await captures.capture("device")
    await captures.forbid("device")
    assert await store.captures.of_model("motion", limit=10) == ()
    assert await captures.consents() == ()


async def test_a_device_that_keeps_no_input_is_given_up(captures: Captures, device: CapturingDevice) -> None:
    device.delay = 1_000_000
    await captures.allow("device", 5, "anna")
    with pytest.raises(NotFoundError, match="kept no input within 0 s"):
        await captures.capture("device")


async def test_an_input_of_another_size_is_refused(captures: Captures, device: CapturingDevice) -> None:
    device.size = 3
    await captures.allow("device", 5, "anna")
    with pytest.raises(InvalidInputError, match=r"an input of 3 B, motion 1\.0\.0 takes 4 B"):
        await captures.capture("device")


async def test_a_device_without_a_module_of_ours_is_not_asked(captures: Captures, device: CapturingDevice) -> None:
    device.digest = bytes(reversed(DIGEST))
    await captures.allow("device", 5, "anna")
    with pytest.raises(ConflictError, match="runs no module of this service"):
        await captures.capture("device")


@pytest.fixture
async def on_alarm(captures: Captures, bus: Bus) -> AsyncIterator[CaptureOnAlarm]:
    on_alarm = CaptureOnAlarm(captures, bus, inputs=2)
    on_alarm.start()
    yield on_alarm
    await on_alarm.stop()


@pytest.mark.usefixtures("on_alarm")
@pytest.mark.parametrize("endpoint", ["device", ""])
async def test_an_alarm_of_drift_captures_where_it_may(
    captures: Captures, alarms: Alarms, store: Store, endpoint: str
) -> None:
    await captures.allow("device", 5, "anna")
    await alarms.raise_alarm(Subject(DRIFT, endpoint, "motion", "1.0.0", "x"), "x has drifted", {})
    for _ in range(200):
        if await store.captures.count_since("device", 0.0) == 2:
            break
        await asyncio.sleep(0.01)
    assert await store.captures.count_since("device", 0.0) == 2


@pytest.mark.usefixtures("on_alarm")
async def test_an_alarm_of_another_device_captures_nothing(
    captures: Captures, alarms: Alarms, bus: Bus, device: CapturingDevice
) -> None:
    await captures.allow("device", 5, "anna")
    await alarms.raise_alarm(Subject(DRIFT, "other", "motion", "1.0.0", "x"), "x has drifted", {})
    await bus.drain()
    assert device.executed == []
