"""What became of devices: events from the bus, traffic from the counters of their peers."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.server import device_history
from lwm2m_ml.server.device_history import BIN_SECONDS, BINS, DeviceHistories
from lwm2m_ml.server.events import DeviceExcluded, DeviceExpired, DeviceRegistered, DeviceUpdated


class Counters:
    def __init__(self) -> None:
        self.remote = SimpleNamespace(bytes_in=0, bytes_out=0)

    def find(self, endpoint: str) -> Any:
        return SimpleNamespace(remote=self.remote)


class Clock:
    now = 1_000_000.0 * BIN_SECONDS

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(device_history, "time", clock)
    return clock


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus()
    yield bus
    await bus.close()


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
async def histories(bus: Bus, counters: Counters, clock: Clock) -> AsyncIterator[DeviceHistories]:
    registry: Any = counters
    histories = DeviceHistories(registry, bus)
    histories.start()
    yield histories
    await histories.stop()


async def tell(bus: Bus, *events: object) -> None:
    for event in events:
        bus.publish(event)
        await bus.drain()


async def test_comings_and_goings_are_told_in_order(bus: Bus, histories: DeviceHistories) -> None:
    await tell(
        bus,
        DeviceRegistered("one", reregistered=False),
        DeviceUpdated("one"),
        DeviceUpdated("one", objects_changed=True),
        DeviceExpired("one"),
        DeviceRegistered("one", reregistered=True),
        DeviceExcluded("one", "its credential was revoked"),
    )
    assert [(event.what, event.detail) for event in histories.of("one").events] == [
        ("registered", ""),
        ("updated", "with another list of objects"),
        ("left", "its lifetime passed in silence"),
        ("registered", "again, without leaving"),
        ("left", "its credential was revoked"),
    ]
    assert histories.of("another").events == ()


async def test_traffic_is_counted_in_bins_and_across_sessions(
    bus: Bus, counters: Counters, histories: DeviceHistories, clock: Clock
) -> None:
    await tell(bus, DeviceRegistered("one", reregistered=False))
    counters.remote = SimpleNamespace(bytes_in=100, bytes_out=10)
    histories.of("one")
    clock.now += BIN_SECONDS
    counters.remote = SimpleNamespace(bytes_in=150, bytes_out=10)
    histories.of("one")
    counters.remote = SimpleNamespace(bytes_in=30, bytes_out=5)
    traffic = histories.of("one").traffic
    assert [(one.bytes_in, one.bytes_out) for one in traffic] == [(100, 10), (80, 5)]
    assert [one.at for one in traffic] == [clock.now - BIN_SECONDS, clock.now]


async def test_the_last_bins_are_kept_however_many_there_were(
    bus: Bus, counters: Counters, histories: DeviceHistories, clock: Clock
) -> None:
    await tell(bus, DeviceRegistered("one", reregistered=False))
    for bin in range(2 * BINS):
        clock.now += BIN_SECONDS
        counters.remote = SimpleNamespace(bytes_in=bin + 1, bytes_out=0)
        histories.of("one")
    traffic = histories.of("one").traffic
    assert [one.at for one in traffic] == [clock.now - (BINS - 1 - place) * BIN_SECONDS for place in range(BINS)]
    assert {one.bytes_in for one in traffic} == {1}


async def test_traffic_is_counted_where_the_clock_was_set_back(
    bus: Bus, counters: Counters, histories: DeviceHistories, clock: Clock
) -> None:
    await tell(bus, DeviceRegistered("one", reregistered=False))
    for bytes_in, seconds in ((10, 0), (30, -BIN_SECONDS), (60, BIN_SECONDS)):
        clock.now += seconds
        counters.remote = SimpleNamespace(bytes_in=bytes_in, bytes_out=0)
        histories.of("one")
    assert [one.bytes_in for one in histories.of("one").traffic] == [60]


async def test_old_traffic_is_forgotten(bus: Bus, counters: Counters, histories: DeviceHistories, clock: Clock) -> None:
    await tell(bus, DeviceRegistered("one", reregistered=False))
    counters.remote = SimpleNamespace(bytes_in=100, bytes_out=10)
    histories.of("one")
    clock.now += BINS * BIN_SECONDS
    assert histories.of("one").traffic == ()


async def test_only_so_many_devices_and_events_are_kept(
    bus: Bus, histories: DeviceHistories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_history, "DEVICES_KEPT", 2)
    for _ in range(device_history.EVENTS_KEPT + 1):
        await tell(bus, DeviceRegistered("a", reregistered=True))
    assert len(histories.of("a").events) == device_history.EVENTS_KEPT
    await tell(bus, *(DeviceRegistered(name, reregistered=False) for name in ("b", "a", "c")))
    assert [bool(histories.of(name).events) for name in ("a", "b", "c")] == [True, False, True]
