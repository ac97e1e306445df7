"""The watch over models in the field: from what devices count to alarms."""

import asyncio

import pytest

from lwm2m_ml.bus import Bus, SoleOwner
from lwm2m_ml.module.drift import DriftReference
from lwm2m_ml.server.events import DeviceUpdated
from lwm2m_ml.service.monitoring.alarms import DRIFT, Alarms, Subject
from lwm2m_ml.service.monitoring.baseline import DriftBaseline
from lwm2m_ml.service.monitoring.drift_watch import DriftWatch, WatchTiming
from lwm2m_ml.service.monitoring.installed import Installed
from lwm2m_ml.service.monitoring.known_modules import KnownModule
from lwm2m_ml.store import Store
from lwm2m_ml.store.fence import CAMPAIGNS
from tests.service.monitoring.conftest import DIGEST, MODEL, RESULT, CountingDevice

BASELINE = DriftBaseline(
    DriftReference((0.0,), (1.0,), ((-0.67, 0.0, 0.67),), ((0.25,) * 4,), (0.5, 0.5)), 10_000, (1.0,)
)
CALM = ([50, 50], [250, 250, 250, 250])
MOVED = ([50, 50], [0, 100, 100, 800])
RELEASE = "1.0.0"


class Library:
    """The modules this service made."""

    def __init__(self) -> None:
        self.modules = {DIGEST: KnownModule("motion", RELEASE, BASELINE, ("x",))}

    async def find(self, digest: bytes) -> KnownModule | None:
        return self.modules.get(digest)


@pytest.fixture
def library() -> Library:
    return Library()


def watch_of(
    device: CountingDevice,
    store: Store,
    alarms: Alarms,
    bus: Bus,
    library: Library,
    period: float = 0.0,
    ownership: SoleOwner | None = None,
) -> DriftWatch:
    return DriftWatch(
        device,
        store.watched_models,
        alarms,
        bus,
        Installed(store.watched_models, library.find),
        model_object=MODEL,
        result_object=RESULT,
        timing=WatchTiming(period),
        ownership=ownership,
    )


@pytest.fixture
def watch(device: CountingDevice, store: Store, alarms: Alarms, bus: Bus, library: Library) -> DriftWatch:
    return watch_of(device, store, alarms, bus, library)


async def visits(watch: DriftWatch, device: CountingDevice, *windows: tuple[list[int], list[int]]) -> None:
    for classes, histogram in windows:
        device.count(classes, histogram)
        await watch.visit("device")


async def test_inputs_that_moved_raise_an_alarm_that_names_them(
    watch: DriftWatch, device: CountingDevice, alarms: Alarms
) -> None:
    await visits(watch, device, CALM, MOVED)
    assert alarms.open() == ()
    await visits(watch, device, MOVED)
    (alarm,) = alarms.open()
    assert (alarm.endpoint, alarm.model, alarm.feature) == ("device", "motion", "x")
    assert alarm.figures["stability_index"] > 0.25
    assert alarm.figures["samples"] == 100
    assert alarm.message.startswith("x of motion 1.0.0 has drifted on device: population stability index ")


async def test_the_alarm_ends_when_the_inputs_are_back(
    watch: DriftWatch, device: CountingDevice, alarms: Alarms
) -> None:
    await visits(watch, device, MOVED, MOVED, CALM, CALM)
    assert alarms.open() == ()
    (alarm,) = await alarms.newest(10)
    assert alarm.cleared_at is not None


async def test_only_what_came_since_the_last_visit_counts(
    watch: DriftWatch, device: CountingDevice, alarms: Alarms
) -> None:
    device.count([50_000, 50_000], [250_000] * 4)
    await watch.visit("device")
    await visits(watch, device, MOVED, MOVED)
    assert len(alarms.open()) == 1


async def test_a_restart_of_the_server_changes_nothing(
    watch: DriftWatch, device: CountingDevice, store: Store, alarms: Alarms, bus: Bus, library: Library
) -> None:
    await visits(watch, device, CALM, MOVED)
    again = watch_of(device, store, alarms, bus, library)
    await visits(again, device, MOVED)
    assert len(alarms.open()) == 1


async def test_an_alarm_of_a_fleet_ends_after_a_restart_too(
    device: CountingDevice, store: Store, alarms: Alarms, bus: Bus, library: Library
) -> None:
    await alarms.raise_alarm(Subject(DRIFT, "", "motion", RELEASE, "x"), "all of them", {})
    restarted = watch_of(device, store, alarms, bus, library, period=0.1)
    for number in range(1_000):
        device.classes, device.histogram = {}, []
        device.count(*CALM)
        await restarted.visit(f"device-{number}")
        if not alarms.open():
            break
    assert alarms.open() == ()


async def test_a_device_that_begins_anew_is_judged_from_nothing(
    watch: DriftWatch, device: CountingDevice, alarms: Alarms
) -> None:
    await visits(watch, device, CALM)
    device.classes, device.histogram = {}, []
    await visits(watch, device, MOVED, MOVED)
    assert len(alarms.open()) == 1


async def test_another_module_ends_the_alarms_of_the_one_before(
    watch: DriftWatch, device: CountingDevice, alarms: Alarms, library: Library
) -> None:
    await visits(watch, device, MOVED, MOVED)
    device.digest = bytes(reversed(DIGEST))
    library.modules[device.digest] = KnownModule("motion", "1.1.0", BASELINE, ("x",))
    device.classes, device.histogram = {}, []
    await visits(watch, device, CALM)
    assert alarms.open() == ()


async def test_a_module_in_the_other_slot_ends_the_alarms_of_device_and_fleet(
    watch: DriftWatch, device: CountingDevice, alarms: Alarms, store: Store, library: Library
) -> None:
    await visits(watch, device, MOVED, MOVED)
    await alarms.raise_alarm(Subject(DRIFT, "", "motion", RELEASE, "x"), "all of them", {})
    assert len(alarms.open()) == 2
    device.slot = 1
    device.digest = bytes(reversed(DIGEST))
    library.modules[device.digest] = KnownModule("motion", "1.1.0", BASELINE, ("x",))
    device.classes, device.histogram = {}, []
    await visits(watch, device, CALM)
    assert alarms.open() == ()
    assert [record.slot for record in await store.watched_models.of_endpoint("device")] == [1]


async def test_a_device_that_runs_nothing_any_more_has_no_alarms(
    watch: DriftWatch, device: CountingDevice, alarms: Alarms
) -> None:
    await visits(watch, device, MOVED, MOVED)
    device.state = 0
    await visits(watch, device, MOVED)
    assert alarms.open() == ()


async def test_a_window_too_small_to_judge_grows(watch: DriftWatch, device: CountingDevice, alarms: Alarms) -> None:
    small = ([5, 5], [0, 10, 10, 80])
    await visits(watch, device, *[small] * 9)
    assert len(alarms.open()) == 1, "three visits make one window"


@pytest.mark.parametrize("state", [0, 1, 4, 5])
async def test_a_module_that_is_not_in_use_is_not_judged(
    watch: DriftWatch, device: CountingDevice, alarms: Alarms, state: int
) -> None:
    device.state = state
    await visits(watch, device, MOVED, MOVED)
    assert alarms.open() == ()


async def test_a_module_that_others_made_is_not_judged(
    watch: DriftWatch, device: CountingDevice, alarms: Alarms, library: Library
) -> None:
    library.modules.clear()
    await visits(watch, device, MOVED, MOVED)
    assert alarms.open() == ()


async def test_drift_too_small_for_one_device_shows_over_the_fleet(
    device: CountingDevice, store: Store, alarms: Alarms, bus: Bus, library: Library
) -> None:
    # 34 inputs on one device: chance could do that there, but not on several devices at once.
    watch = watch_of(device, store, alarms, bus, library, period=0.1)
    for number in range(1_000):
        device.classes, device.histogram = {}, []
        device.count([17, 17], [20, 60, 90, 170])
        await watch.visit(f"device-{number}")
        if alarms.open():
            break
    assert [alarm.endpoint for alarm in alarms.open()] == [""]
    assert "over all its devices" in alarms.open()[0].message


class NoDriver(SoleOwner):
    """A node of a cluster that acts for its devices, while another one drives the campaigns."""

    def has(self, name: str) -> bool:
        return name != CAMPAIGNS


def relayed(one: Bus, other: Bus) -> None:
    """What is published on a bus is heard on the other one as an event of another node."""
    one.relay, other.relay = other.deliver, one.deliver


async def test_devices_of_several_nodes_are_one_fleet_judged_by_one_of_them(
    device: CountingDevice, store: Store, alarms: Alarms, bus: Bus, library: Library
) -> None:
    elsewhere = Bus()
    relayed(bus, elsewhere)
    other_alarms = Alarms(store.alarms, elsewhere)
    await other_alarms.start()
    judge = watch_of(device, store, alarms, bus, library, period=0.1)
    other = watch_of(device, store, other_alarms, elsewhere, library, period=0.1, ownership=NoDriver())
    judge.start()
    other.start()
    for number in range(1_000):
        device.classes, device.histogram = {}, []
        device.count([17, 17], [20, 60, 90, 170])
        await other.visit(f"device-{number}")
        await bus.drain()
        if alarms.open():
            break
    await elsewhere.drain()
    assert [alarm.endpoint for alarm in other_alarms.open()] == [""]
    assert other_alarms.open() == alarms.open()
    await judge.stop()
    await other.stop()
    await elsewhere.close()


async def test_an_alarm_of_a_fleet_lasts_while_a_device_of_any_node_runs_the_version(
    device: CountingDevice, store: Store, alarms: Alarms, bus: Bus, library: Library
) -> None:
    elsewhere = Bus()
    relayed(bus, elsewhere)
    judge = watch_of(device, store, alarms, bus, library)
    other = watch_of(device, store, Alarms(store.alarms, elsewhere), elsewhere, library, ownership=NoDriver())
    judge.start()
    other.start()
    device.count(*CALM)
    await judge.visit("here")
    await other.visit("there")
    await bus.drain()
    await alarms.raise_alarm(Subject(DRIFT, "", "motion", RELEASE, "x"), "all of them", {})
    device.digest = bytes(reversed(DIGEST))
    library.modules[device.digest] = KnownModule("motion", "1.1.0", BASELINE, ("x",))
    await judge.visit("here")
    assert len(alarms.open()) == 1
    await other.visit("there")
    await bus.drain()
    assert alarms.open() == ()
    await judge.stop()
    await other.stop()
    await elsewhere.close()


async def test_a_device_is_asked_when_it_is_heard_of_once_per_period(
    device: CountingDevice, store: Store, alarms: Alarms, bus: Bus, library: Library
) -> None:
    watch = watch_of(device, store, alarms, bus, library, period=3600.0)
    watch.start()
    for _ in range(3):
        bus.publish(DeviceUpdated("device"))
    await bus.drain()
    for _ in range(100):
        if len(device.reads) == 2:
            break
        await asyncio.sleep(0.01)
    await watch.stop()
    assert device.reads == [f"/{MODEL}", f"/{RESULT}"]
