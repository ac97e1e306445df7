"""The devices that other nodes act for: known here as they are stored, and taken over when this node gains them.

What other nodes say about devices comes over the bus and is small; what they know is read from the store, many at once.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import structlog

from lwm2m_ml.bus import Bus, Ownership, OwnershipGained, OwnershipLost, Subscription
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.registration import NO_EXPIRY
from lwm2m_ml.server.errors import UnreadableRecord
from lwm2m_ml.server.events import (
    DeviceDeregistered,
    DeviceEvent,
    DeviceExpired,
    DeviceRegistered,
    DeviceUpdated,
    RequestQueued,
)
from lwm2m_ml.store.errors import StoreError
from lwm2m_ml.store.registrations import RegistrationRecord, RegistrationRepository

if TYPE_CHECKING:
    from lwm2m_ml.server.server import Lwm2mServer

GATHER_SECONDS = 0.05
READ_AT_ONCE = 1_000
AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)


class DevicesElsewhere:
    """Keeps the registry in step with other nodes."""

    def __init__(self, server: "Lwm2mServer", registrations: RegistrationRepository, ownership: Ownership) -> None:
        self._server = server
        self._registrations = registrations
        self._ownership = ownership
        self._unread: dict[str, None] = {}
        self._orphans: set[str] = set()
        """Devices whose node is gone, until they are heard."""
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: tuple[Subscription, ...] = ()

    def start(self, bus: Bus) -> None:
        """Listen to the other nodes."""
        self._subscriptions = (
            bus.subscribe(DeviceRegistered, self._registered, everywhere=True),
            bus.subscribe(DeviceUpdated, self._updated, everywhere=True),
            bus.subscribe(DeviceDeregistered, self._left, everywhere=True),
            bus.subscribe(DeviceExpired, self._left, everywhere=True),
            bus.subscribe(RequestQueued, self._queued, everywhere=True),
            bus.subscribe(OwnershipGained, self._gained),
            bus.subscribe(OwnershipLost, self._lost),
        )
        self._spawn(self._read())

    async def stop(self) -> None:
        """Listen no more."""
        for subscription in self._subscriptions:
            subscription.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def is_orphan(self, endpoint: str) -> bool:
        """Whether no node can reach the device until it is heard again."""
        return endpoint in self._orphans and not self._ownership.has(endpoint)

    def note_orphan(self, endpoint: str) -> None:
        """Nobody answered for the device."""
        self._orphans.add(endpoint)

    def overdue(self, endpoint: str) -> None:
        """A registration was not renewed in time, as far as this node knows."""
        if self._ownership.has(endpoint):
            self._server.expire(endpoint)
        else:
            self._spawn(self._check_overdue(endpoint))

    async def _registered(self, event: DeviceRegistered) -> None:
        self._orphans.discard(event.endpoint)
        if not self._ownership.has(event.endpoint):
            self._want(event.endpoint)

    async def _updated(self, event: DeviceUpdated) -> None:
        self._orphans.discard(event.endpoint)
        if self._ownership.has(event.endpoint):
            return
        if event.objects_changed or not self._server.renewed_elsewhere(event.endpoint):
            self._want(event.endpoint)

    async def _left(self, event: DeviceEvent) -> None:
        if not self._ownership.has(event.endpoint):
            self._unread.pop(event.endpoint, None)
            self._server.left_elsewhere(event.endpoint)

    async def _queued(self, event: RequestQueued) -> None:
        if self._ownership.has(event.endpoint):
            await self._server.requests.adopt(event.endpoint)

    async def _gained(self, event: OwnershipGained) -> None:
        """Whatever the former owner had begun with the device goes on here."""
        if self._server.registry.find(event.name) is not None:
            self._spawn(self._adopt(event.name))

    async def _lost(self, event: OwnershipLost) -> None:
        self._server.served_elsewhere(event.name)

    async def _adopt(self, endpoint: str) -> None:
        try:
            await self._server.adopt(endpoint)
        except Lwm2mMlError as error:
            log.warning("not taken over", endpoint=endpoint, reason=str(error))

    def _want(self, endpoint: str) -> None:
        self._unread[endpoint] = None
        self._news.set()

    async def _read(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_SECONDS)
            wanted = list(self._unread)[:READ_AT_ONCE]
            try:
                records = await self._registrations.some(wanted)
            except StoreError as error:
                log.warning("devices of other nodes are not read", devices=len(wanted), reason=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            for endpoint in wanted:
                self._unread.pop(endpoint, None)
            for record in records:
                if not self._ownership.has(record.endpoint):
                    self._learn(record)
            if not self._unread:
                self._news.clear()

    def _learn(self, record: RegistrationRecord) -> None:
        try:
            self._server.learn(record)
        except UnreadableRecord as error:
            log.error("device of another node not known", endpoint=record.endpoint, reason=str(error))

    async def _check_overdue(self, endpoint: str) -> None:
        """End it if nobody acts for it and its row says so, too.

        Whoever acts for it counts its lifetime on a clock that never jumps; rows have the times of other clocks.
        """
        try:
            records = await self._registrations.some([endpoint])
            if not records:
                self._server.left_elsewhere(endpoint)
            elif await self._ownership.is_elsewhere(endpoint):
                self._server.watch_anew(endpoint)
            elif _is_overdue(records[0]):
                await self._ownership.claim(endpoint)
                self._server.expire(endpoint)
            else:
                self._server.learn(records[0])
        except Lwm2mMlError as error:
            log.info("not expired here", endpoint=endpoint, reason=str(error))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_overdue(record: RegistrationRecord) -> bool:
    return record.lifetime != NO_EXPIRY and record.updated_at + record.lifetime < time.time()
