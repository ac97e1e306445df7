"""What became of devices lately: when they came and went, and how much they said, in bins of five minutes.

Kept in memory, for the devices that were heard of last; a restart of the server forgets it.
"""

import asyncio
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lwm2m_ml.bus import Bus, Subscription
from lwm2m_ml.server.events import (
    BootstrapFailed,
    DeviceBootstrapped,
    DeviceDeregistered,
    DeviceEvent,
    DeviceExcluded,
    DeviceExpired,
    DeviceRegistered,
    DeviceUpdated,
)
from lwm2m_ml.server.registry import Registry

DEVICES_KEPT = 10_000
EVENTS_KEPT = 32
BIN_SECONDS = 300
BINS = 48
"""Four hours."""
DEVICES_PER_TURN = 1_000

Told = tuple[str, str] | None
"""What happened, and more about it; None when it is not worth a line."""


class HistoryEvent(NamedTuple):
    """Something that happened to a device, at a Unix time."""

    at: float
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class TrafficBin:
    """Bytes from and to a device within five minutes from `at` on; protocols below CoAP do not count."""

    at: float
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class DeviceHistory:
    """Events, the oldest first, and the bins in which there was traffic."""

    events: tuple[HistoryEvent, ...]
    traffic: tuple[TrafficBin, ...]


@dataclass(slots=True)
class _Kept:
    """What is kept of one device: room for no more than there was."""

    events: list[HistoryEvent] = field(default_factory=list)
    bins: "array[int]" = field(default_factory=lambda: array("q"))
    """Number of a bin in which there was traffic, bytes in, bytes out; the oldest first."""
    bytes_in: int = 0
    bytes_out: int = 0
    """What the session's counters showed last."""

    def hear(self, event: HistoryEvent) -> None:
        """Add what happened."""
        self.events.append(event)
        if len(self.events) > EVENTS_KEPT:
            del self.events[0]

    def count(self, number: int, bytes_in: int, bytes_out: int) -> None:
        """Add what came since the last time; counters begin anew with each session."""
        more_in = bytes_in - self.bytes_in if bytes_in >= self.bytes_in else bytes_in
        more_out = bytes_out - self.bytes_out if bytes_out >= self.bytes_out else bytes_out
        self.bytes_in, self.bytes_out = bytes_in, bytes_out
        if not more_in and not more_out:
            return
        if not self.bins or number > self.bins[-3]:
            self.bins.extend((number, 0, 0))
            del self.bins[: -BINS * 3]
        self.bins[-2] += more_in
        self.bins[-1] += more_out

    def traffic(self, newest: int) -> tuple[TrafficBin, ...]:
        """The bins of the last hours, the oldest first."""
        bins = (self.bins[place : place + 3] for place in range(0, len(self.bins), 3))
        recent = (one for one in bins if newest - BINS < one[0] <= newest)
        return tuple(TrafficBin(float(number * BIN_SECONDS), into, out) for number, into, out in recent)


TELLERS: Mapping[type, Callable[[Any], Told]] = {
    DeviceRegistered: lambda event: ("registered", "again, without leaving" if event.reregistered else ""),
    DeviceUpdated: lambda event: ("updated", "with another list of objects") if event.objects_changed else None,
    DeviceDeregistered: lambda event: ("left", "said good-bye"),
    DeviceExcluded: lambda event: ("left", event.reason),
    DeviceExpired: lambda event: ("left", "its lifetime passed in silence"),
    DeviceBootstrapped: lambda event: ("bootstrapped", ""),
    BootstrapFailed: lambda event: ("bootstrap failed", event.reason),
}
"""How each event is told."""


class DeviceHistories:
    """Listens from `start()` to `stop()`."""

    def __init__(self, registry: Registry, bus: Bus) -> None:
        self._registry = registry
        self._bus = bus
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._subscriptions: tuple[Subscription, ...] = ()
        self._counting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen to what happens, and count traffic."""
        kinds = [kind for kind in TELLERS if kind is not DeviceExcluded]
        self._subscriptions = tuple(self._bus.subscribe(kind, self._hear) for kind in kinds)
        self._counting = asyncio.create_task(self._count_on())

    async def stop(self) -> None:
        """Listen no more."""
        for subscription in self._subscriptions:
            subscription.cancel()
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait([self._counting])

    def of(self, endpoint: str) -> DeviceHistory:
        """Return what is known of a device; of one that nothing was heard of since the start it is nothing."""
        kept = self._kept.get(endpoint)
        if kept is None:
            return DeviceHistory((), ())
        now = _bin()
        self._count(endpoint, kept, now)
        return DeviceHistory(tuple(kept.events), kept.traffic(now))

    async def _hear(self, event: DeviceEvent) -> None:
        told = TELLERS[type(event)](event)
        kept = self._keep(event.endpoint)
        if told is not None:
            kept.hear(HistoryEvent(time.time(), *told))

    def _keep(self, endpoint: str) -> _Kept:
        kept = self._kept.get(endpoint)
        if kept is None:
            kept = self._kept[endpoint] = _Kept()
            if len(self._kept) > DEVICES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(endpoint)
        return kept

    async def _count_on(self) -> None:
        """Count at the end of each bin, some devices at a time."""
        while True:
            await asyncio.sleep(BIN_SECONDS - time.time() % BIN_SECONDS)
            number = _bin() - 1
            for place, (endpoint, kept) in enumerate(list(self._kept.items())):
                self._count(endpoint, kept, number)
                if place % DEVICES_PER_TURN == 0:
                    await asyncio.sleep(0)

    def _count(self, endpoint: str, kept: _Kept, number: int) -> None:
        registration = self._registry.find(endpoint)
        if registration is not None:
            kept.count(number, registration.remote.bytes_in, registration.remote.bytes_out)


def _bin() -> int:
    return int(time.time()) // BIN_SECONDS
