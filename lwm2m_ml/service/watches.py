"""Observations that last as long as somebody watches: made again when the device starts anew, ended with the last one.

A device that registers anew has lost its observations, so a watch listens for that and observes once more.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.devices import DeviceOperations
from lwm2m_ml.server.events import DeviceDeregistered, DeviceExpired, DeviceRegistered

QUEUE_LENGTH = 256
"""Notifications kept for a watcher that is slow to take them; older ones are dropped."""

Target = tuple[str, str, tuple[ObjectPath, ...]]
Records = tuple[Record, ...]

log = structlog.get_logger(__name__)


class Watch:
    """One watcher of one or several paths of a device."""

    def __init__(self, watches: "Watches", operations: DeviceOperations, target: Target) -> None:
        self.target = target
        self._watches = watches
        self._operations = operations
        self._news: asyncio.Queue[Records | None] = asyncio.Queue(QUEUE_LENGTH)

    async def next(self) -> Records | None:
        """Wait for values: the present ones, then those of every notification; None when the device has left."""
        return await self._news.get()

    async def observe(self) -> None:
        """Ask the device for notifications."""
        endpoint, _, paths = self.target
        if len(paths) == 1:
            await self._operations.observe(endpoint, paths[0], self._put)
        else:
            await self._operations.observe_composite(endpoint, paths, self._put)

    def end(self) -> None:
        """Let the watcher know that nothing more comes."""
        self._put(None)

    async def close(self) -> None:
        """Watch no longer; the device is told when nobody else does. May be called again."""
        await self._watches.remove(self)

    async def forget(self) -> None:
        """Ask the device for no more notifications."""
        endpoint, _, paths = self.target
        if len(paths) == 1:
            await self._operations.cancel_observation(endpoint, paths[0])
        else:
            await self._operations.cancel_composite_observation(endpoint, paths)

    def stop_listening(self) -> None:
        """Take no more of what the observation tells."""
        for observed in self._operations.observed(self.target[0]):
            observed.callbacks = tuple(one for one in observed.callbacks if one != self._put)

    def _put(self, records: Sequence[Record] | None) -> None:
        if self._news.full():
            self._news.get_nowait()
        self._news.put_nowait(None if records is None else tuple(records))


class Watches:
    """All watches of a service."""

    def __init__(self, operations: DeviceOperations, bus: Bus) -> None:
        self._operations = operations
        self._watches: dict[str, list[Watch]] = {}
        self._ours: Counter[Target] = Counter()
        self._bus = bus

    def start(self) -> None:
        """Listen for devices that start anew or leave."""
        self._bus.subscribe(DeviceRegistered, self._registered)
        self._bus.subscribe(DeviceDeregistered, self._left)
        self._bus.subscribe(DeviceExpired, self._left)

    async def add(self, endpoint: str, paths: Sequence[ObjectPath], behind: str = "") -> Watch:
        """Begin to watch; raises what an observation raises."""
        operations = self._operations.behind(behind) if behind else self._operations
        target = (endpoint, behind, tuple(paths))
        watch = Watch(self, operations, target)
        others = any(one.target.paths == target[2] for one in operations.observed(endpoint))
        await watch.observe()
        if self._ours[target] or not others:
            self._ours[target] += 1
        self._watches.setdefault(endpoint, []).append(watch)
        return watch

    def end_all(self) -> None:
        """Let every watcher know that nothing more comes."""
        for watching in self._watches.values():
            for watch in watching:
                watch.end()

    async def remove(self, watch: Watch) -> None:
        """End a watch, and its observation when no other watch needs it and nobody else had made it before."""
        watching = self._watches.get(watch.target[0], [])
        if watch not in watching:
            return
        watching.remove(watch)
        if not watching:
            del self._watches[watch.target[0]]
        watch.stop_listening()
        if not self._ours[watch.target]:
            return
        self._ours[watch.target] -= 1
        if not self._ours[watch.target]:
            del self._ours[watch.target]
            with contextlib.suppress(Lwm2mMlError):
                await watch.forget()

    async def _registered(self, event: DeviceRegistered) -> None:
        for watch in tuple(self._watches.get(event.endpoint, ())):
            watch.stop_listening()
            try:
                await watch.observe()
            except Lwm2mMlError as error:
                log.warning("watch ended", endpoint=event.endpoint, reason=str(error))
                watch.end()

    async def _left(self, event: DeviceDeregistered | DeviceExpired) -> None:
        for watch in self._watches.get(event.endpoint, ()):
            watch.end()
