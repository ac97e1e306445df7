"""The feed: in order, from where a follower was, with a gap where something is missing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import UnavailableError
from lwm2m_ml.server.events import DeviceExcluded, DeviceRegistered
from lwm2m_ml.service.event_feed import GAP, EventFeed, FeedEvent


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus()
    yield bus
    await bus.close()


def say(feed: EventFeed, *names: str) -> None:
    for name in names:
        feed.add(name, None, {})


async def all_of(feed: EventFeed, after: str = "") -> list[FeedEvent]:
    feed.close()
    async with asyncio.timeout(5):
        return [event async for event in feed.follow(after)]


async def test_a_follower_hears_what_comes_and_then_the_end(bus: Bus) -> None:
    feed = EventFeed(bus)
    say(feed, "before")
    followed = feed.follow()
    first = asyncio.ensure_future(anext(followed))
    await asyncio.sleep(0)
    say(feed, "a", "b")
    assert [(await first).type, (await anext(followed)).type] == ["a", "b"]
    feed.close()
    with pytest.raises(StopAsyncIteration):
        await anext(followed)


async def test_who_comes_back_hears_what_they_missed(bus: Bus) -> None:
    feed = EventFeed(bus)
    say(feed, "a", "b", "c", "d")
    first = [event async for event in _part(feed, 4)]
    assert [event.type for event in await all_of(feed, first[1].id)] == ["c", "d"]


async def _part(feed: EventFeed, number: int) -> AsyncIterator[FeedEvent]:
    start = EventFeed._id(feed, 0)
    followed = feed.follow(start)
    for _ in range(number):
        yield await anext(followed)


@pytest.mark.parametrize("after", ["another-1", "nonsense", "-", "x-" + "9" * 40])
async def test_an_id_of_another_run_gives_a_gap_and_all_that_is_known(bus: Bus, after: str) -> None:
    feed = EventFeed(bus)
    say(feed, "a", "b")
    assert [event.type for event in await all_of(feed, after)] == [GAP, "a", "b"]


async def test_what_fell_out_of_the_ring_is_a_gap(bus: Bus) -> None:
    feed = EventFeed(bus, size=3)
    say(feed, "a", "b", "c", "d", "e")
    oldest = EventFeed._id(feed, 1)
    assert [event.type for event in await all_of(feed, oldest)] == [GAP, "c", "d", "e"]


async def test_a_follower_that_is_too_slow_is_told_so_and_goes_on(bus: Bus) -> None:
    feed = EventFeed(bus, size=3)
    say(feed, "a")
    followed = feed.follow(EventFeed._id(feed, 0))
    assert (await anext(followed)).type == "a"
    say(feed, "b", "c", "d", "e", "f")
    feed.close()
    assert [event.type async for event in followed] == [GAP, "d", "e", "f"]


async def test_followers_are_bounded_and_make_room_when_they_leave(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_ml.service.event_feed.MAXIMUM_FOLLOWERS", 1)
    feed = EventFeed(bus)
    say(feed, "a")
    first = feed.follow(EventFeed._id(feed, 0))
    await anext(first)
    with pytest.raises(UnavailableError, match="1 follow"):
        await anext(feed.follow())
    await first.aclose()  # type: ignore[attr-defined]
    assert feed.followers == 0


async def test_the_bus_is_told_in_the_operators_words(bus: Bus) -> None:
    feed = EventFeed(bus)
    feed.start()
    bus.publish(DeviceRegistered("node", reregistered=False))
    await bus.drain()
    bus.publish(DeviceExcluded("node", "its credential was revoked"))
    await bus.drain()
    told = [(event.type, event.endpoint, event.data) for event in await all_of(feed, EventFeed._id(feed, 0))]
    assert told == [
        ("device.registered", "node", {"again": False}),
        ("device.left", "node", {"reason": "its credential was revoked"}),
    ]
