"""Requests to registered devices: addressed, in turn, interrupted when the device starts anew, failing with a type."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiocoap
import structlog
from aiocoap.numbers.codes import Code

from lwm2m_ml.bus import Ownership
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.errors import CoapError, NetworkError, RequestTimeout
from lwm2m_ml.lwm2m.gateway import uri_path
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.server.errors import (
    DeviceElsewhere,
    DeviceError,
    DeviceTimeout,
    DeviceUnreachable,
    OperationError,
    RequestInterrupted,
    UnusableAnswer,
)
from lwm2m_ml.server.formats import DeviceFormats
from lwm2m_ml.server.presences import Presences
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registry import Registry
from lwm2m_ml.server.settings import ServerLimits
from lwm2m_ml.server.statistics import OK, OperationStatistics
from lwm2m_ml.server.turns import Turns

Result = TypeVar("Result")

DIAGNOSTIC_LENGTH = 200
SMALLEST_BLOCK = 16

REFUSALS_OF_A_FORMAT = frozenset(
    {ResponseCode.NOT_ACCEPTABLE, ResponseCode.UNSUPPORTED_CONTENT_FORMAT, ResponseCode.INTERNAL_SERVER_ERROR}
)
"""What devices answer when they cannot do a format; 5.00 is wrong and common."""

REFUSALS_TRIED = 3
"""A device that refuses more formats than this refuses something else."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to a device, before it has an address."""

    operation: str
    code: Code
    path: ObjectPath = ROOT
    query: Sequence[str] = ()
    payload: bytes = b""
    content_format: int | None = None
    accept: int | None = None
    prefix: str = ""
    """Names a device behind the one that is asked (object 25)."""
    block_bytes: int | None = None
    """The largest block (RFC 7959) that the device is known to take: a power of two from 16 on."""

    def message(self, registration: Registration) -> aiocoap.Message:
        """The CoAP message for a registered device, below the root path it named."""
        root = [segment for segment in registration.parameters.root_path.split("/") if segment]
        message = aiocoap.Message(
            code=self.code,
            payload=self.payload,
            uri_path=(*root, *uri_path(self.path, self.prefix)),
            uri_query=tuple(self.query),
        )
        message.opt.content_format = self.content_format
        message.opt.accept = self.accept
        message.remote = registration.remote
        if self.block_bytes is not None:
            exponent = max(self.block_bytes, SMALLEST_BLOCK).bit_length() - SMALLEST_BLOCK.bit_length()
            message.remote.maximum_block_size_exp = min(message.remote.maximum_block_size_exp, exponent)
        return message

    def __str__(self) -> str:
        if self.path == ROOT and not self.prefix:
            return self.operation
        return f"{self.operation} /{'/'.join(uri_path(self.path, self.prefix))}"


class Exchange:
    """Sends requests to devices, one at a time to each."""

    def __init__(self, registry: Registry, presences: Presences, limits: ServerLimits, ownership: Ownership) -> None:
        self._registry = registry
        self._ownership = ownership
        self._presences = presences
        self._timeout = limits.request_timeout
        self.statistics = OperationStatistics()
        self._turns = Turns(limits.waiting_per_device)
        self._under_way: dict[str, tuple[str, asyncio.Task[object]]] = {}
        """By endpoint: the location of the registration under which something was asked, and who waits."""
        self._interrupted: set[asyncio.Task[object]] = set()
        self._endpoint: CoapEndpoint | None = None

    def attach(self, endpoint: CoapEndpoint) -> None:
        """Use this CoAP endpoint from now on."""
        self._endpoint = endpoint

    @property
    def coap(self) -> CoapEndpoint:
        """The CoAP endpoint; there is one between start and stop of the server."""
        if self._endpoint is None:
            raise RuntimeError("the server has not been started")
        return self._endpoint

    def registration(self, endpoint: str) -> Registration:
        """The present registration of a device; raises `UnknownDevice`."""
        return self._registry.get(endpoint)

    @asynccontextmanager
    async def turn(self, endpoint: str) -> AsyncIterator[Registration]:
        """Wait until the device is free and awake, then keep it; yields its registration at that moment.

        A device in queue mode may sleep for as long as its registration lives: whoever cannot wait sets a time limit
        around the operation or leaves it to the durable queue. Raises `UnknownDevice` when the device leaves meanwhile.
        """
        self._registry.get(endpoint)
        async with self._turns.of(endpoint):
            await self.until_awake(endpoint)
            yield self._registry.get(endpoint)

    async def until_awake(self, endpoint: str) -> None:
        """Wait until a request to the device can be expected to arrive; raises `UnknownDevice` when it leaves."""
        while not self.awake(endpoint):
            await self._presences.until_heard(endpoint)

    async def until_heard(self, endpoint: str) -> None:
        """Wait for the next message of the device, or until it leaves."""
        await self._presences.until_heard(endpoint)

    def awake(self, endpoint: str) -> bool:
        """Whether an operation on the device would be sent at once; raises `UnknownDevice`."""
        return self._presences.awake(self._registry.get(endpoint))

    def heard(self, registration: Registration) -> None:
        """A message of the device arrived."""
        self._presences.heard(registration)

    def left(self, endpoint: str) -> None:
        """The device is not registered any more: nobody need wait for its answer."""
        self._interrupt(endpoint)
        self._presences.left(endpoint)

    def started_anew(self, registration: Registration) -> None:
        """The device registered: it will not answer what was asked before. What was asked since goes on."""
        self._interrupt(registration.endpoint, unless_at=registration.location)

    def _interrupt(self, endpoint: str, *, unless_at: str | None = None) -> None:
        location, task = self._under_way.get(endpoint, (None, None))
        if task is not None and location != unless_at:
            self._interrupted.add(task)
            task.cancel()

    def check_owner(self, endpoint: str) -> None:
        """Raise `DeviceElsewhere` when another node may act for the device."""
        if not self._ownership.has(endpoint):
            raise DeviceElsewhere(
                f"Another node acts for {endpoint}", endpoint=endpoint, hint="Try again: requests are passed on to it"
            )

    async def send(self, registration: Registration, outgoing: Outgoing, within: float | None) -> aiocoap.Message:
        """Send a request in the caller's turn and return the answer, a successful one.

        Raises `DeviceError` for an error code, `DeviceTimeout` when there is no answer.
        """
        self.check_owner(registration.endpoint)
        limit = self._timeout if within is None else within
        started, outcome = time.monotonic(), OK
        try:
            response = await self.guard(
                registration, outgoing, self.coap.request(outgoing.message(registration), timeout=limit)
            )
        except OperationError as error:
            outcome = type(error).__name__
            if isinstance(error, DeviceTimeout) and not isinstance(error, RequestInterrupted):
                self._presences.silent(registration)
            raise
        finally:
            self.statistics.ended(outgoing.operation, outcome, time.monotonic() - started)
        self.heard(registration)
        self.check(registration.endpoint, outgoing, response)
        return response

    async def guard(self, registration: Registration, outgoing: Outgoing, work: Awaitable[Result]) -> Result:
        """Wait for CoAP work in the caller's turn, with its errors as this room's."""
        endpoint = registration.endpoint
        task: asyncio.Task[Result] = asyncio.ensure_future(work)
        self._under_way[endpoint] = registration.location, task
        try:
            return await task
        except asyncio.CancelledError:
            if task not in self._interrupted:
                task.cancel()
                raise
            raise RequestInterrupted(
                f"{endpoint} registered anew before it answered {outgoing}", endpoint=endpoint
            ) from None
        except TimeoutError as error:
            raise self._silence(endpoint, outgoing) from error
        except CoapError as error:
            raise self._translated(endpoint, outgoing, error) from error
        finally:
            self._interrupted.discard(task)
            del self._under_way[endpoint]
            del task, work  # their error knows this frame: the two would keep each other until a collector comes by

    def check(self, endpoint: str, outgoing: Outgoing, response: aiocoap.Message) -> None:
        """Raise `DeviceError` when the response is not a successful one."""
        if response.code.is_successful():
            return
        diagnostic = response.payload[:DIAGNOSTIC_LENGTH].decode(errors="replace")
        error = DeviceError(endpoint, str(outgoing), int(response.code), diagnostic)
        log.info("operation refused by the device", endpoint=endpoint, operation=str(outgoing), reason=str(error))
        try:
            raise error
        finally:
            del error  # it knows this frame: the two would keep each other until a collector comes by

    async def negotiate(
        self,
        registration: Registration,
        formats: DeviceFormats,
        candidates: Sequence[int | None],
        attempt: Callable[[int | None, float], Awaitable[Result]],
        *,
        within: float | None,
        repeatable: bool,
    ) -> Result:
        """Try formats until the device can do one, and remember those it cannot do.

        `repeatable` operations (those that change nothing) are also tried once more after silence: some devices do not
        answer at all when asked for a format they do not know. The attempts together take no longer than `within`.
        """
        limit = self._timeout if within is None else within
        failed: list[int | None] = []
        failure: OperationError | None = None
        silent = False
        try:
            for candidate in candidates:
                last_chance = silent or not repeatable or len(candidates) == 1 or formats.is_proven(candidate)
                try:
                    result = await attempt(candidate, limit if last_chance and not silent else limit / 2)
                except RequestInterrupted:
                    raise
                except DeviceTimeout as error:
                    if last_chance:
                        raise
                    silent, failure = True, error
                except DeviceError as error:
                    if error.code not in REFUSALS_OF_A_FORMAT or len(failed) >= REFUSALS_TRIED:
                        if failure is None:
                            raise
                        raise failure from error
                    failure = failure or error
                else:
                    formats.learn(candidate, failed)
                    if failed:
                        log.info(
                            "content format remembered", endpoint=registration.endpoint, works=candidate, fails=failed
                        )
                    return result
                failed.append(candidate)
            raise failure or UnusableAnswer(
                f"{registration.endpoint} has no usable format", endpoint=registration.endpoint
            )
        finally:
            failure = None  # it knows this frame: the two would keep each other

    def _translated(self, endpoint: str, outgoing: Outgoing, error: CoapError) -> OperationError:
        log.info("operation failed", endpoint=endpoint, operation=str(outgoing), reason=str(error))
        if isinstance(error, RequestTimeout):
            return self._silence(endpoint, outgoing)
        if isinstance(error, NetworkError):
            return DeviceUnreachable(f"{endpoint} cannot be reached ({error.message})", endpoint=endpoint)
        return UnusableAnswer(f"{endpoint} did not answer {outgoing} properly ({error.message})", endpoint=endpoint)

    def _silence(self, endpoint: str, outgoing: Outgoing) -> DeviceTimeout:
        return DeviceTimeout(
            f"{endpoint} did not answer {outgoing}", endpoint=endpoint, hint="It may sleep, be off or out of reach"
        )
