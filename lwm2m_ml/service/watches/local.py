"""Watches of devices that this node serves: observed again when the device starts anew, ended with the last watcher.

A device that registers anew has lost its observations, so a watch listens for that and observes once more. One that
another node serves from now on is heard there, so its watches here end.
"""

import contextlib
from collections import Counter
from collections.abc import Sequence

import structlog

from lwm2m_ml.bus import Bus, Ownership, OwnershipLost
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.devices import DeviceOperations
from lwm2m_ml.server.events import DeviceDeregistered, DeviceExpired, DeviceRegistered
from lwm2m_ml.service.watches.watch import Watch

Target = tuple[str, str, tuple[ObjectPath, ...]]

log = structlog.get_logger(__name__)


class LocalWatch(Watch):
    """An observation's callback is its `put`."""

    def __init__(self, watches: "LocalWatches", operations: DeviceOperations, target: Target) -> None:
        super().__init__()
        self.target = target
        self._watches = watches
        self._operations = operations

    async def observe(self) -> None:
        """Ask the device for notifications."""
        endpoint, _, paths = self.target
        if len(paths) == 1:
            await self._operations.observe(endpoint, paths[0], self.put)
        else:
            await self._operations.observe_composite(endpoint, paths, self.put)

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
            observed.callbacks = tuple(one for one in observed.callbacks if one != self.put)


class LocalWatches:
    """All watches of the devices at hand."""

    def __init__(self, operations: DeviceOperations, ownership: Ownership, bus: Bus) -> None:
        self._operations = operations
        self._ownership = ownership
        self._watches: dict[str, list[LocalWatch]] = {}
        self._ours: Counter[Target] = Counter()
        self._bus = bus

    def start(self) -> None:
        """Listen for devices that start anew, leave or move."""
        self._bus.subscribe(DeviceRegistered, self._registered)
        self._bus.subscribe(DeviceDeregistered, self._left)
        self._bus.subscribe(DeviceExpired, self._left)
        self._bus.subscribe(OwnershipLost, self._moved)

    async def add(self, endpoint: str, paths: Sequence[ObjectPath], behind: str = "") -> Watch:
        """Begin to watch; raises what an observation raises."""
        operations = self._operations.behind(behind) if behind else self._operations
        target = (endpoint, behind, tuple(paths))
        watch = LocalWatch(self, operations, target)
        others = any(one.target.paths == target[2] for one in operations.observed(endpoint))
        await watch.observe()
        if self._ours[target] or not others:
            self._ours[target] += 1
        self._watches.setdefault(endpoint, []).append(watch)
        if not self._ownership.has(endpoint):  # it moved while it answered
            watch.end()
        return watch

    def end_all(self) -> None:
        """Let every watcher know that nothing more comes."""
        for endpoint in tuple(self._watches):
            self._end(endpoint)

    async def remove(self, watch: LocalWatch) -> None:
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
            if self._ownership.has(watch.target[0]):  # who serves it by now may observe the same for others
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
        self._end(event.endpoint)

    async def _moved(self, event: OwnershipLost) -> None:
        self._end(event.name)

    def _end(self, endpoint: str) -> None:
        for watch in self._watches.get(endpoint, ()):
            watch.end()
