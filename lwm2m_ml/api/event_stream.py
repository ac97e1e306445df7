"""Server-sent events (WHATWG HTML §9.2): what a device notifies, and what happens, for as long as a client listens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from fastapi.responses import StreamingResponse

from lwm2m_ml.api import views
from lwm2m_ml.client.schemas import Event
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.service.event_feed import GAP, EventFeed, FeedEvent
from lwm2m_ml.service.watches.watch import Watch

Item = TypeVar("Item")

HEARTBEAT_SECONDS = 15.0
"""A comment this often lets both ends and proxies between them notice that the other is gone."""
HEARTBEAT = ": \n\n"
END = "event: end\ndata: {}\n\n"
MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def _described(description: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": description}}


EVENT_STREAM = _described(
    "`values` events, each a list of values in JSON; `end` when the device has left or is served by another node"
)
FEED = _described("Events by their type, each an `Event` in JSON; `end` when the server stops")


def events_of(watch: Watch, catalogue: Catalogue) -> StreamingResponse:
    """The values of a watch as a stream of events; the watch is closed when the stream ends."""
    return StreamingResponse(_values(watch, catalogue), media_type=MEDIA_TYPE, headers=HEADERS)


def follow(feed: EventFeed, after: str, kinds: frozenset[str], endpoint: str) -> StreamingResponse:
    """The feed from after an event on: all types if none is named, all devices if none is."""
    return StreamingResponse(_events(feed, after, kinds, endpoint), media_type=MEDIA_TYPE, headers=HEADERS)


async def _values(watch: Watch, catalogue: Catalogue) -> AsyncIterator[str]:
    try:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    records = await watch.next()
            except TimeoutError:
                yield HEARTBEAT
                continue
            if records is None:
                yield END
                return
            values = ",".join(value.model_dump_json() for value in views.resource_values(records, catalogue))
            yield f"event: values\ndata: [{values}]\n\n"
    finally:
        await watch.close()


async def _events(feed: EventFeed, after: str, kinds: frozenset[str], endpoint: str) -> AsyncIterator[str]:
    async for event in _with_heartbeats(feed.follow(after)):
        if event is None:
            yield HEARTBEAT
        elif event.type == GAP or _is_meant(event, kinds, endpoint):
            yield f"id: {event.id}\nevent: {event.type}\ndata: {views.as_schema(Event, event).model_dump_json()}\n\n"
    yield END


def _is_meant(event: FeedEvent, kinds: frozenset[str], endpoint: str) -> bool:
    return (not kinds or event.type in kinds) and (not endpoint or event.endpoint == endpoint)


async def _with_heartbeats(items: AsyncIterator[Item]) -> AsyncIterator[Item | None]:
    """The items, and None whenever none came for a while."""
    following = asyncio.ensure_future(anext(items))
    try:
        while True:
            done, _ = await asyncio.wait((following,), timeout=HEARTBEAT_SECONDS)
            if not done:
                yield None
                continue
            try:
                yield following.result()
            except StopAsyncIteration:
                return
            following = asyncio.ensure_future(anext(items))
    finally:
        following.cancel()
        await asyncio.wait((following,))
