"""The bus delivers in order, and a slow or failing subscriber hurts nobody else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from lwm2m_ml.bus import Bus


@dataclass(frozen=True, slots=True)
class Happened:
    number: int


@dataclass(frozen=True, slots=True)
class HappenedTwice(Happened):
    pass


class Collector:
    def __init__(self) -> None:
        self.events: list[object] = []

    async def __call__(self, event: object) -> None:
        self.events.append(event)


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus(queue_size=4)
    yield bus
    await bus.close(timeout=0.1)


async def test_events_arrive_in_the_order_of_publication(bus: Bus) -> None:
    collector = Collector()
    bus.subscribe(Happened, collector)
    for number in range(4):
        bus.publish(Happened(number))
    await bus.drain()
    assert collector.events == [Happened(number) for number in range(4)]


async def test_a_subscriber_gets_only_its_type_and_subtypes(bus: Bus) -> None:
    base, narrow, anything = Collector(), Collector(), Collector()
    bus.subscribe(Happened, base)
    bus.subscribe(HappenedTwice, narrow)
    bus.subscribe(object, anything)
    for event in (Happened(1), HappenedTwice(2), "text"):
        bus.publish(event)
    await bus.drain()
    assert base.events == [Happened(1), HappenedTwice(2)]
    assert narrow.events == [HappenedTwice(2)]
    assert anything.events == [Happened(1), HappenedTwice(2), "text"]


async def test_publishing_without_subscribers_does_nothing(bus: Bus) -> None:
    bus.publish(Happened(1))


async def test_a_failing_subscriber_keeps_getting_events_and_is_logged_with_the_event_type(bus: Bus) -> None:
    seen: list[int] = []

    async def fail(event: Happened) -> None:
        seen.append(event.number)
        raise ValueError(event.number)

    collector = Collector()
    with capture_logs() as logs:
        bus.subscribe(Happened, fail)
        bus.subscribe(Happened, collector)
        bus.publish(Happened(1))
        bus.publish(Happened(2))
        await bus.drain()
    assert seen == [1, 2]
    assert len(collector.events) == 2
    assert [entry["event_type"] for entry in logs] == ["Happened", "Happened"]


async def test_a_slow_subscriber_loses_events_alone_and_the_jam_is_logged_once(bus: Bus) -> None:
    release = asyncio.Event()
    slow_events: list[int] = []

    async def slow(event: Happened) -> None:
        await release.wait()
        slow_events.append(event.number)

    collector = Collector()
    with capture_logs() as logs:
        slow_subscription = bus.subscribe(Happened, slow)
        collector_subscription = bus.subscribe(Happened, collector)
        for number in range(10):
            bus.publish(Happened(number))
            await collector_subscription.drain()
        release.set()
        await bus.drain()
    assert len(collector.events) == 10
    assert slow_events == [0, 1, 2, 3, 4]
    assert slow_subscription.dropped == 5
    assert [entry["event"] for entry in logs] == ["event dropped: the subscriber is too slow"]


async def test_after_cancel_nothing_arrives(bus: Bus) -> None:
    collector = Collector()
    subscription = bus.subscribe(Happened, collector)
    subscription.cancel()
    subscription.cancel()
    bus.publish(Happened(1))
    await subscription.wait_cancelled()
    assert collector.events == []


async def test_a_handler_may_cancel_its_own_subscription(bus: Bus) -> None:
    seen: list[int] = []

    async def once(event: Happened) -> None:
        seen.append(event.number)
        subscription.cancel()

    subscription = bus.subscribe(Happened, once)
    bus.publish(Happened(1))
    bus.publish(Happened(2))
    await subscription.wait_cancelled()
    assert seen == [1]


async def test_close_handles_what_is_queued_and_then_takes_nothing(bus: Bus) -> None:
    collector = Collector()
    bus.subscribe(Happened, collector)
    bus.publish(Happened(1))
    await bus.close()
    bus.publish(Happened(2))
    assert collector.events == [Happened(1)]


async def test_close_does_not_wait_for_a_stuck_subscriber_for_ever(bus: Bus) -> None:
    async def stuck(event: Happened) -> None:
        await asyncio.Event().wait()

    bus.subscribe(Happened, stuck)
    bus.publish(Happened(1))
    await asyncio.wait_for(bus.close(timeout=0.01), 5)


async def test_cancelling_ends_a_drain_that_waits(bus: Bus) -> None:
    async def stuck(event: Happened) -> None:
        await asyncio.Event().wait()

    subscription = bus.subscribe(Happened, stuck)
    bus.publish(Happened(1))
    bus.publish(Happened(2))
    draining = asyncio.create_task(bus.drain())
    await asyncio.sleep(0)
    subscription.cancel()
    await asyncio.wait_for(draining, 5)
