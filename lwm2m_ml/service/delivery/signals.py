"""Wakes whoever waits for a device: it registered anew, updated, sent or notified something."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from lwm2m_ml.bus import Bus, Subscription
from lwm2m_ml.server.events import DataSent, DeviceEvent, DeviceRegistered, DeviceUpdated, Notified


class Watch:
    """One waiter's view of one device."""

    def __init__(self) -> None:
        self.registrations = 0
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Let the waiter look at the device again."""
        self._changed.set()

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 - running out is a normal return
        """Return when something happened, at the latest after `timeout` seconds."""
        try:
            await asyncio.wait_for(self._changed.wait(), timeout)
        except TimeoutError:
            return
        finally:
            self._changed.clear()


class DeviceSignals:
    """Spreads events on the bus to the watches of the device they are about."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._watches: dict[str, list[Watch]] = {}
        self._subscriptions: tuple[Subscription, ...] = ()

    def start(self) -> None:
        """Follow events from now on."""
        self._subscriptions = (
            self._bus.subscribe(DeviceRegistered, self._registered, everywhere=True),
            self._bus.subscribe(DeviceUpdated, self._changed, everywhere=True),
            self._bus.subscribe(DataSent, self._changed, everywhere=True),
            self._bus.subscribe(Notified, self._changed, everywhere=True),
        )

    def stop(self) -> None:
        """Follow events no more."""
        for subscription in self._subscriptions:
            subscription.cancel()

    @contextmanager
    def watch(self, endpoint: str) -> Iterator[Watch]:
        """Watch a device for the time of a `with` block."""
        watch = Watch()
        self._watches.setdefault(endpoint, []).append(watch)
        try:
            yield watch
        finally:
            self._watches[endpoint].remove(watch)
            if not self._watches[endpoint]:
                del self._watches[endpoint]

    async def _registered(self, event: DeviceRegistered) -> None:
        for watch in self._watches.get(event.endpoint, ()):
            watch.registrations += 1
            watch.wake()

    async def _changed(self, event: DeviceEvent) -> None:
        for watch in self._watches.get(event.endpoint, ()):
            watch.wake()
