"""Observed paths: one CoAP observation each, shared by all who want to hear of it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiocoap
import structlog
from aiocoap.numbers.codes import Code

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.observation import Observation
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.answers import decode_answer
from lwm2m_ml.server.catalogues import Catalogues
from lwm2m_ml.server.errors import DeviceBusy, UnusableAnswer
from lwm2m_ml.server.events import Notified
from lwm2m_ml.server.exchange import Exchange, Outgoing
from lwm2m_ml.server.formats import Formats
from lwm2m_ml.server.registry import Registry

OnRecords = Callable[[Sequence[Record]], None]

MAXIMUM_PER_DEVICE = 256

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class ObservedPath:
    """A path under observation; `records` are its latest values."""

    endpoint: str
    path: ObjectPath
    lasting: bool = False
    records: tuple[Record, ...] = ()
    callbacks: list[OnRecords] = field(default_factory=list)
    observation: Observation | None = None

    @property
    def active(self) -> bool:
        """Whether the device has accepted and notifications can come."""
        return self.observation is not None and self.observation.active

    def forget(self) -> None:
        """Expect no notifications, without telling the device."""
        if self.observation is not None:
            self.observation.forget()
            self.observation = None


class Observations:
    """Every observed path, by endpoint."""

    def __init__(
        self, registry: Registry, exchange: Exchange, formats: Formats, catalogues: Catalogues, bus: Bus
    ) -> None:
        self._registry = registry
        self._exchange = exchange
        self._formats = formats
        self._catalogues = catalogues
        self._bus = bus
        self._paths: dict[str, dict[ObjectPath, ObservedPath]] = {}
        self._restoring: dict[str, asyncio.Task[None]] = {}

    def of(self, endpoint: str) -> tuple[ObservedPath, ...]:
        """The observed paths of a device, in order."""
        return tuple(observed for _, observed in sorted(self._paths.get(endpoint, {}).items()))

    async def observe(
        self,
        endpoint: str,
        path: ObjectPath,
        callback: OnRecords | None,
        *,
        lasting: bool,
        within: float | None,
    ) -> ObservedPath:
        """Observe a path, or join an observation that is there already."""
        paths = self._paths.setdefault(endpoint, {})
        observed = paths.get(path)
        if observed is not None and observed.active:
            _add(observed, callback, lasting=lasting)
            _call((callback,) if callback else (), observed)
            return observed
        if len(paths) >= MAXIMUM_PER_DEVICE:
            raise DeviceBusy(f"{len(paths)} paths of {endpoint} are observed already", endpoint=endpoint)
        observed = observed or ObservedPath(endpoint, path)
        fresh = await self._start(observed, within)
        _add(observed, callback, lasting=lasting)
        self._paths.setdefault(endpoint, {})[path] = observed
        self._accept(observed, fresh)
        return observed

    async def cancel(self, endpoint: str, path: ObjectPath) -> None:
        """End an observation and tell the device."""
        observed = self._paths.get(endpoint, {}).pop(path, None)
        if observed is not None and observed.observation is not None:
            await observed.observation.cancel()

    def device_started_anew(self, endpoint: str) -> None:
        """The device lost its observations: forget them, and make the lasting ones again."""
        lasting = self._lapse(endpoint)
        previous = self._restoring.pop(endpoint, None)
        if previous is not None:
            previous.cancel()
        if lasting:
            self._restoring[endpoint] = asyncio.get_running_loop().create_task(self._restore(endpoint, lasting))

    def device_left(self, endpoint: str) -> None:
        """The device is not registered any more; lasting observations wait for its return."""
        self._lapse(endpoint)

    async def close(self) -> None:
        """Forget everything, without telling the devices."""
        tasks = list(self._restoring.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for endpoint in list(self._paths):
            self._lapse(endpoint)

    def _lapse(self, endpoint: str) -> tuple[ObservedPath, ...]:
        """Forget the observations of a device; the lasting ones are kept in mind and returned."""
        paths = self._paths.pop(endpoint, {})
        for observed in paths.values():
            observed.forget()
        lasting = {path: observed for path, observed in paths.items() if observed.lasting}
        if lasting:
            self._paths[endpoint] = lasting
        return tuple(lasting.values())

    async def _restore(self, endpoint: str, lasting: Sequence[ObservedPath]) -> None:
        for observed in lasting:
            try:
                self._accept(observed, await self._start(observed, None))
            except Lwm2mMlError as error:
                log.warning("not observed again", endpoint=endpoint, path=str(observed.path), reason=str(error))
            else:
                log.info("observed again", endpoint=endpoint, path=str(observed.path))
        self._restoring.pop(endpoint, None)

    async def _start(self, observed: ObservedPath, within: float | None) -> tuple[Record, ...]:
        """Make the CoAP observation and return the first values."""
        endpoint, path = observed.endpoint, observed.path
        async with self._exchange.turn(endpoint) as registration:
            formats = self._formats.of(registration.parameters)
            candidates = formats.to_read(path, self._catalogues.of(registration.parameters))

            async def attempt(accept: int | None, limit: float) -> Observation:
                outgoing = Outgoing("Observe", Code.GET, path, accept=accept)
                message = outgoing.message(registration)
                message.opt.observe = 0

                async def bounded() -> Observation:
                    async with asyncio.timeout(limit):
                        return await self._exchange.coap.observe(message, lambda one: self._notified(observed, one))

                observation = await self._exchange.guard(endpoint, outgoing, bounded())
                self._exchange.check(endpoint, outgoing, observation.response)
                return observation

            observation = await self._exchange.negotiate(
                registration, formats, candidates, attempt, within=within, repeatable=True
            )
            if not observation.active:
                raise UnusableAnswer(f"{endpoint} does not let {path} be observed", endpoint=endpoint)
            observed.observation = observation
            return decode_answer(registration, observation.response, path, self._catalogues)

    def _notified(self, observed: ObservedPath, message: aiocoap.Message) -> None:
        endpoint, path = observed.endpoint, observed.path
        registration = self._registry.find(endpoint)
        if registration is None:
            return
        if not message.code.is_successful():
            log.warning("observation ended by the device", endpoint=endpoint, path=str(path), code=str(message.code))
            observed.forget()
            return
        try:
            records = decode_answer(registration, message, path, self._catalogues)
        except UnusableAnswer as error:
            log.warning("notification not understood", endpoint=endpoint, path=str(path), reason=str(error))
            return
        self._accept(observed, records)

    def _accept(self, observed: ObservedPath, records: tuple[Record, ...]) -> None:
        observed.records = records
        _call(observed.callbacks, observed)
        self._bus.publish(Notified(observed.endpoint, observed.path, records, time.time()))


def _add(observed: ObservedPath, callback: OnRecords | None, *, lasting: bool) -> None:
    observed.lasting = observed.lasting or lasting
    if callback is not None:
        observed.callbacks.append(callback)


def _call(callbacks: Sequence[OnRecords], observed: ObservedPath) -> None:
    for callback in callbacks:
        try:
            callback(observed.records)
        except Exception:
            log.exception("notification handler failed", endpoint=observed.endpoint, path=str(observed.path))
