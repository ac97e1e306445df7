"""The feed of events for operators: numbered, kept for a while, so that whoever lost the connection misses nothing.

The newest events lie in a ring in memory. A follower holds no queue of its own, only the number of the event it had
last; one that is too slow for the ring, or comes back after the server was restarted, is told that there is a gap.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import UnavailableError
from lwm2m_ml.server.events import (
    BootstrapFailed,
    DeviceBootstrapped,
    DeviceDeregistered,
    DeviceExcluded,
    DeviceExpired,
    DeviceRegistered,
    RequestEnded,
)
from lwm2m_ml.service.campaigns.campaign import CampaignChanged
from lwm2m_ml.service.jobs import JobChanged
from lwm2m_ml.service.monitoring.alarms import AlarmChanged

EVENTS_KEPT = 10_000
MAXIMUM_FOLLOWERS = 256
GAP = "gap"


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """Something that happened; `data` is a JSON object. The id is one of this run of the server."""

    id: str
    type: str
    at: float
    endpoint: str | None
    data: Mapping[str, Any]


Told = tuple[str, str | None, Mapping[str, Any]]
"""The type of an event, its device, and what else there is to say."""


_AGAIN: Mapping[bool, Mapping[str, Any]] = {again: {"again": again} for again in (False, True)}
"""Held once: of all events these come by the ten thousand."""


def _left(event: DeviceDeregistered) -> Told:
    reason = event.reason if isinstance(event, DeviceExcluded) else "deregistered"
    return "device.left", event.endpoint, {"reason": reason}


def _campaign(event: CampaignChanged) -> Told:
    device = event.device
    if device is None:
        return "campaign.changed", None, {"campaign": event.campaign_id, "state": str(event.state)}
    data = {"campaign": event.campaign_id, "state": str(device.state), "reason": device.reason}
    return "campaign.device", device.endpoint, data


def _job(event: JobChanged) -> Told:
    job = event.job
    data = {"job": job.id, "kind": job.kind, "state": str(job.state), "progress": job.progress}
    return "job.changed", None, data


def _alarm(event: AlarmChanged) -> Told:
    alarm = event.alarm
    data = {
        "alarm": alarm.id,
        "kind": alarm.kind,
        "model": alarm.model,
        "message": alarm.message,
        "cleared": alarm.cleared_at is not None,
        "acknowledged": alarm.acknowledged_at is not None,
    }
    return "alarm.changed", alarm.endpoint or None, data


TELLERS: Mapping[type, Callable[[Any], Told]] = {
    DeviceRegistered: lambda event: ("device.registered", event.endpoint, _AGAIN[event.reregistered]),
    DeviceDeregistered: _left,
    DeviceExpired: lambda event: ("device.left", event.endpoint, {"reason": "expired"}),
    DeviceBootstrapped: lambda event: ("device.bootstrapped", event.endpoint, {}),
    BootstrapFailed: lambda event: ("device.bootstrap-failed", event.endpoint, {"reason": event.reason}),
    RequestEnded: lambda event: ("request.ended", event.endpoint, {"number": event.number, "state": event.state}),
    CampaignChanged: _campaign,
    JobChanged: _job,
    AlarmChanged: _alarm,
}
"""How each event of the bus is told to operators."""


class EventFeed:
    """Listens on the bus from `start()` to `close()`."""

    def __init__(self, bus: Bus, *, size: int = EVENTS_KEPT) -> None:
        self._bus = bus
        self._size = size
        self._run = secrets.token_hex(4)
        self._ring: list[FeedEvent] = []
        self._next = 1
        self._followers = 0
        self._news = asyncio.Event()
        self._closed = False

    @property
    def followers(self) -> int:
        """How many follow."""
        return self._followers

    def start(self) -> None:
        """Listen to everything that operators are told."""
        for event_type in TELLERS:
            self._bus.subscribe(event_type, self._hear, everywhere=True)

    def close(self) -> None:
        """Let all followers come to an end."""
        self._closed = True
        self._news.set()

    def add(self, kind: str, endpoint: str | None, data: Mapping[str, Any]) -> None:
        """Append an event."""
        event = FeedEvent(self._id(self._next), kind, time.time(), endpoint, data)
        if len(self._ring) < self._size:
            self._ring.append(event)
        else:
            self._ring[(self._next - 1) % self._size] = event
        self._next += 1
        self._news.set()
        self._news = asyncio.Event()

    async def follow(self, after: str = "") -> AsyncIterator[FeedEvent]:
        """Yield events: those after the one with id `after` that are still known, then news until `close()`.

        A `gap` comes first when events in between are not known any more, and whenever the follower was too slow.
        Raises `UnavailableError` when too many follow already.
        """
        if self._followers >= MAXIMUM_FOLLOWERS:
            raise UnavailableError(f"{self._followers} follow the events already", hint="Close some of the connections")
        self._followers += 1
        try:
            last = self._number(after)
            while True:
                news = self._news
                oldest = self._next - len(self._ring)
                if last is None or last + 1 < oldest:
                    last = oldest - 1
                    yield FeedEvent(self._id(last), GAP, time.time(), None, {})
                elif last + 1 < self._next:
                    last += 1
                    yield self._ring[(last - 1) % self._size]
                elif self._closed:
                    return
                else:
                    await news.wait()
        finally:
            self._followers -= 1

    async def _hear(self, event: object) -> None:
        teller = next(TELLERS[kind] for kind in type(event).__mro__ if kind in TELLERS)
        self.add(*teller(event))

    def _id(self, number: int) -> str:
        return f"{self._run}-{number}"

    def _number(self, event_id: str) -> int | None:
        """The number of the event that a follower had last: the newest for a new one, None for one of another run."""
        if not event_id:
            return self._next - 1
        run, _, number = event_id.partition("-")
        if run != self._run or not number.isdecimal() or len(number) > 18:
            return None
        return int(number) if int(number) < self._next else None
