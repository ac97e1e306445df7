"""The durable queue of requests to devices that sleep: in order per device, flushed when the device is heard.

waiting ── device awake ──► sent ── answer ──► done | failed
   │  ▲                      │
   │  └── silence, repeatable┤
   ├─► expired               └── silence, not repeatable ──► unknown
   └─► cancelled

`sent` is on disk before the request leaves. A request found in that state after a crash is sent again only if it
changes nothing; what became of any other is unknown, and is said so instead of guessed.
"""

import asyncio
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import structlog

from lwm2m_ml.bus import Bus, NotOwner, Ownership
from lwm2m_ml.bus.bus import Document
from lwm2m_ml.errors import ConflictError, Lwm2mMlError, NotFoundError
from lwm2m_ml.server.devices import DeviceOperations
from lwm2m_ml.server.errors import DeviceBusy, DeviceError, DeviceTimeout, UnknownDevice
from lwm2m_ml.server.events import RequestEnded, RequestQueued
from lwm2m_ml.server.exchange import Exchange
from lwm2m_ml.server.operations import REPEATABLE, Operation, perform
from lwm2m_ml.server.registry import Registry
from lwm2m_ml.server.settings import ServerLimits
from lwm2m_ml.store.device_requests import DeviceRequestRecord, DeviceRequestRepository
from lwm2m_ml.store.errors import StoreError

RETRY_SECONDS = 2.0
"""Until a state that the database did not take is offered to it again."""

log = structlog.get_logger(__name__)


CANCEL = "requests.cancel"


class RequestState(StrEnum):
    """Where a queued request stands."""

    WAITING = "waiting"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class RequestQueue:
    """Takes operations against a ticket, its number, and does them when the device can be reached."""

    def __init__(
        self,
        registry: Registry,
        exchange: Exchange,
        devices: DeviceOperations,
        repository: DeviceRequestRepository,
        *,
        bus: Bus,
        limits: ServerLimits,
        ownership: Ownership,
    ) -> None:
        self._ownership = ownership
        self._registry = registry
        self._exchange = exchange
        self._devices = devices
        self._repository = repository
        self._bus = bus
        self._limits = limits
        self._pending: dict[str, dict[int, DeviceRequestRecord]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        bus.serve(CANCEL, self._cancel_for_another)

    async def submit(self, endpoint: str, operation: Operation, *, lifetime: float | None = None) -> int:
        """Queue an operation for a registered device and return its number, once that is on disk."""
        self._registry.get(endpoint)
        pending = self._pending.setdefault(endpoint, {})
        if len(pending) >= self._limits.waiting_per_device:
            raise DeviceBusy(f"{len(pending)} requests already wait for {endpoint}", endpoint=endpoint)
        now = time.time()
        record = DeviceRequestRecord(
            endpoint=endpoint,
            operation=operation.to_document(),
            state=RequestState.WAITING,
            created_at=now,
            expires_at=now + (self._limits.request_lifetime if lifetime is None else lifetime),
        )
        number = await self._repository.add(record)
        if not self._ownership.has(endpoint):
            self._bus.publish(RequestQueued(endpoint))
            return number
        self._pending.setdefault(endpoint, {})[number] = record
        self._work(endpoint)
        return number

    async def adopt(self, endpoint: str) -> None:
        """Take over what waits for a device that this process acts for now, or that others have queued for it."""
        await self._take_over(await self._repository.unfinished_of(endpoint))
        self._work(endpoint)

    @property
    def waiting(self) -> int:
        """How many requests are not ended."""
        return sum(map(len, self._pending.values()))

    async def get(self, number: int) -> DeviceRequestRecord:
        """A request with its state and outcome; raises `NotFoundError`."""
        record = await self._repository.get(number)
        if record is None:
            raise NotFoundError(f"There is no request {number}", hint="Outcomes are kept for a limited time")
        return record

    async def of(self, endpoint: str) -> tuple[DeviceRequestRecord, ...]:
        """The requests of a device, oldest first."""
        return await self._repository.of_endpoint(endpoint)

    async def cancel(self, number: int) -> None:
        """Take a waiting request back; raises `ConflictError` when it is not waiting any more."""
        record = await self.get(number)
        if not self._ownership.has(record.endpoint):
            await self._bus.ask(record.endpoint, CANCEL, {"number": number})
            return
        if number not in self._pending.get(record.endpoint, {}) or record.state != RequestState.WAITING:
            raise ConflictError(f"Request {number} is {record.state}, it cannot be cancelled any more")
        await self._repository.set_state(number, RequestState.CANCELLED, ended_at=time.time())
        self._ended(record.endpoint, number, RequestState.CANCELLED)

    def device_heard(self, endpoint: str) -> None:
        """The device can be reached now."""
        if self._pending.get(endpoint):
            self._work(endpoint)

    async def load(self) -> None:
        """Take over what an earlier run left."""
        await self._repository.delete_ended(time.time() - self._limits.request_retention)
        ours = [one for one in await self._repository.unfinished() if self._ownership.has(one.endpoint)]
        await self._take_over(ours)

    async def _take_over(self, records: Sequence[DeviceRequestRecord]) -> None:
        """Know requests; one that was sent by somebody who is gone, and may change something, ends as unknown."""
        for record in records:
            pending = self._pending.setdefault(record.endpoint, {})
            if record.id in pending:
                continue
            pending[record.id] = record
            repeatable = Operation.from_document(record.operation).name in REPEATABLE
            if record.state == RequestState.SENT and not repeatable:
                await self._end(record.endpoint, record.id, RequestState.UNKNOWN)

    async def _cancel_for_another(self, document: Document) -> Document:
        await self.cancel(int(document["number"]))
        return {}

    def resume(self) -> None:
        """Go on with the requests of an earlier run."""
        for endpoint in list(self._pending):
            self._work(endpoint)

    async def close(self) -> None:
        """Stop working; what waits is done by the next run."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def _work(self, endpoint: str) -> None:
        if endpoint not in self._workers and self._ownership.has(endpoint):
            worker = asyncio.get_running_loop().create_task(self._flush(endpoint))
            self._workers[endpoint] = worker
            worker.add_done_callback(lambda _: self._workers.pop(endpoint, None))

    async def _flush(self, endpoint: str) -> None:
        """Do what is queued for a device, one after the other, until nothing waits or the device is gone."""
        silent = False
        while pending := self._pending.get(endpoint):
            number = next(iter(pending))
            record = pending[number]
            try:
                async with asyncio.timeout(max(record.expires_at - time.time(), 0.0)):
                    if silent:
                        await self._exchange.until_heard(endpoint)
                    await self._exchange.until_awake(endpoint)
            except TimeoutError:
                await self._end(endpoint, number, RequestState.EXPIRED)
            except UnknownDevice:
                return  # it waits for the device to register again
            if not self._ownership.has(endpoint):
                self._pending.pop(endpoint, None)
                return  # whoever acts for the device now has them from the store
            if number in pending:  # not cancelled meanwhile, nor expired
                silent = not await self._do(endpoint, number, Operation.from_document(record.operation))

    async def _do(self, endpoint: str, number: int, operation: Operation) -> bool:
        """Do one request; False when it waits on because the device did not answer."""
        await self._note(number, RequestState.SENT)
        try:
            outcome = await perform(self._devices, endpoint, operation)
        except NotOwner:
            self._pending.pop(endpoint, None)  # whoever acts for the device now has them from the store
            return True
        except (DeviceTimeout, UnknownDevice) as error:
            if operation.name in REPEATABLE:
                await self._note(number, RequestState.WAITING)
                return False
            await self._end(endpoint, number, RequestState.UNKNOWN, {"error": str(error)})
        except Lwm2mMlError as error:
            code = error.code if isinstance(error, DeviceError) else None
            await self._end(endpoint, number, RequestState.FAILED, {"error": str(error), "code": code})
        else:
            await self._end(endpoint, number, RequestState.DONE, outcome)
        return True

    async def _end(
        self, endpoint: str, number: int, state: RequestState, outcome: dict[str, Any] | None = None
    ) -> None:
        await self._note(number, state, outcome, time.time())
        self._ended(endpoint, number, state)

    async def _note(
        self,
        number: int,
        state: RequestState,
        outcome: dict[str, Any] | None = None,
        ended_at: float | None = None,
    ) -> None:
        """Have a state written, however long the database takes no writes: the device is not asked meanwhile."""
        while True:
            try:
                await self._repository.set_state(number, state, outcome=outcome, ended_at=ended_at)
            except StoreError as error:
                log.error(
                    "state of a queued request not written yet", number=number, state=str(state), reason=str(error)
                )
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def _ended(self, endpoint: str, number: int, state: RequestState) -> None:
        pending = self._pending.get(endpoint, {})
        pending.pop(number, None)
        if not pending:
            self._pending.pop(endpoint, None)
        log.info("queued request ended", endpoint=endpoint, number=number, state=str(state))
        self._bus.publish(RequestEnded(endpoint, number, state))
