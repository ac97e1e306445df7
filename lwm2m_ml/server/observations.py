"""Observations of devices: one CoAP observation per target, shared by all who want to hear of it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from aiocoap.numbers.codes import Code

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.notification import Notification
from lwm2m_ml.coap.observation import Observation
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.composite import read_request
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.answers import decode_payload
from lwm2m_ml.server.catalogues import Catalogues
from lwm2m_ml.server.errors import DeviceBusy, UnusableAnswer, describe
from lwm2m_ml.server.events import Notified
from lwm2m_ml.server.exchange import Exchange, Outgoing
from lwm2m_ml.server.formats import Formats, answer_format, without_names
from lwm2m_ml.server.keepers import Keepers
from lwm2m_ml.server.observed import Observed, OnRecords, Target
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registry import Registry
from lwm2m_ml.server.visits import Visits
from lwm2m_ml.sharing import shared
from lwm2m_ml.store.errors import StoreError
from lwm2m_ml.store.observations import ObservationRecord, ObservationRepository

MAXIMUM_PER_DEVICE = 256
RESTORED_AT_ONCE = 256
"""Devices that are asked at a time; some of them will not answer, and keep their place for a minute."""

log = structlog.get_logger(__name__)


class Observations:
    """Every observed target, by endpoint. Lasting ones are stored, and made again whenever they lapsed."""

    def __init__(
        self,
        registry: Registry,
        exchange: Exchange,
        formats: Formats,
        catalogues: Catalogues,
        *,
        repository: ObservationRepository,
        keepers: Keepers,
        bus: Bus,
        pressed: Callable[[], bool] = lambda: False,
    ) -> None:
        """While `pressed`, no observations are made again: others come first, or nobody would keep what they tell."""
        self._registry = registry
        self._exchange = exchange
        self._formats = formats
        self._catalogues = catalogues
        self._repository = repository
        self._keepers = keepers
        self._bus = bus
        self._observed: dict[str, tuple[Observed, ...]] = {}
        self._restoring = Visits(self._restore, at_once=RESTORED_AT_ONCE, pressed=pressed)

    def of(self, endpoint: str) -> tuple[Observed, ...]:
        """What is observed of a device, oldest first."""
        return self._observed.get(endpoint, ())

    async def observe(
        self, endpoint: str, target: Target, callback: OnRecords | None, *, lasting: bool, within: float | None
    ) -> Observed:
        """Observe a target, or join an observation that is there already."""
        target = shared(target)
        observed = self._find(endpoint, target)
        if observed is None:
            if len(self.of(endpoint)) >= MAXIMUM_PER_DEVICE:
                raise DeviceBusy(f"{MAXIMUM_PER_DEVICE} paths of {endpoint} are observed already", endpoint=endpoint)
            observed = Observed(endpoint, target, self)
            self._put(observed)
        try:
            await self._start(observed, within)
        except BaseException:
            self._drop_unwanted(observed)
            raise
        self._put(observed)
        if callback is not None:
            _call((callback,), observed, observed.records)
            observed.callbacks += (callback,)
        if lasting and not observed.lasting:
            await self._repository.put(ObservationRecord(endpoint, str(target), target.composite))
            observed.lasting = True
            self._put(observed)  # the device may have left meanwhile
        return observed

    async def cancel(self, endpoint: str, target: Target) -> None:
        """End an observation and tell the device."""
        observed = self._find(endpoint, target)
        if observed is None:
            return
        if observed.lasting:
            await self._repository.delete(endpoint, str(target), composite=target.composite)
        self._drop(observed)
        if observed.observation is not None:
            await observed.observation.cancel()

    async def load(self) -> None:
        """Take over the lasting observations of an earlier run; they have lapsed."""
        for record in await self._repository.all():
            target = Target.parse(record.paths, composite=record.composite)
            self._put(Observed(record.endpoint, target, self, lasting=True))

    async def adopt(self, endpoint: str) -> None:
        """Take over the lasting observations that another node made of a device; they have lapsed."""
        for record in await self._repository.of_endpoint(endpoint):
            target = Target.parse(record.paths, composite=record.composite)
            if self._find(endpoint, target) is None:
                self._put(Observed(endpoint, target, self, lasting=True))
        self.device_heard(endpoint)

    def restore_reachable(self) -> None:
        """Make the lapsed observations of all devices again that do not sleep; the others when they wake up."""
        for endpoint in self._observed:
            registration = self._registry.find(endpoint)
            if registration is not None and not registration.parameters.queue_mode:
                self.device_heard(endpoint)

    def device_heard(self, endpoint: str) -> None:
        """The device can be reached now: make its lapsed observations again."""
        if endpoint not in self._restoring and self._lapsed(endpoint):
            self._restoring.ask(endpoint)

    def device_started_anew(self, endpoint: str) -> None:
        """The device lost its observations: forget them, and make the lasting ones again."""
        if endpoint in self._observed:
            self.device_left(endpoint)
            self.device_heard(endpoint)

    def device_left(self, endpoint: str) -> None:
        """The device is not registered any more; lasting observations wait for its return."""
        self._restoring.give_up(endpoint)
        observed = self._observed.pop(endpoint, ())
        for one in observed:
            one.forget()
        lasting = tuple(one for one in observed if one.lasting)
        if lasting:
            self._observed[endpoint] = lasting

    async def close(self) -> None:
        """Forget everything, without telling the devices."""
        await self._restoring.close()
        for endpoint in list(self._observed):
            self.device_left(endpoint)

    def _lapsed(self, endpoint: str) -> list[Observed]:
        return [one for one in self.of(endpoint) if one.lasting and not one.active]

    async def _restore(self, endpoint: str) -> None:
        for observed in self._lapsed(endpoint):
            try:
                await self._start(observed, None)
            except Lwm2mMlError as error:
                log.warning("not observed again", endpoint=endpoint, path=str(observed.target), reason=str(error))
            else:
                log.info("observed again", endpoint=endpoint, path=str(observed.target))

    def _drop_unwanted(self, observed: Observed) -> None:
        """Forget a target that could not be observed and that nobody else waits for."""
        if not (observed.active or observed.lasting or observed.callbacks):
            self._drop(observed)

    def _find(self, endpoint: str, target: Target) -> Observed | None:
        return next((one for one in self.of(endpoint) if one.target == target), None)

    def _put(self, observed: Observed) -> None:
        """Make this the one for its target."""
        known = self.of(observed.endpoint)
        if observed not in known:
            self._observed[observed.endpoint] = (*(one for one in known if one.target != observed.target), observed)

    def _drop(self, observed: Observed) -> None:
        """Forget one, unless another one stands for its target by now."""
        left = tuple(one for one in self.of(observed.endpoint) if one is not observed)
        if left:
            self._observed[observed.endpoint] = left
        else:
            self._observed.pop(observed.endpoint, None)

    async def _start(self, observed: Observed, within: float | None) -> None:
        """Make the CoAP observation and accept the first values, unless somebody else has just done so."""
        endpoint, target = observed.endpoint, observed.target
        async with self._exchange.turn(endpoint) as registration:
            if observed.active:
                return
            formats = self._formats.of(registration)
            catalogue = self._catalogues.of(registration.parameters)
            candidates = formats.composite() if target.composite else formats.to_read(target.path, catalogue)
            if target.prefix and not target.composite:
                candidates = without_names(candidates)

            async def attempt(content_format: int | None, limit: float) -> Observation:
                return await self._ask(registration, observed, _outgoing(target, content_format), limit)

            observation = await self._exchange.negotiate(
                registration, formats, candidates, attempt, within=within, repeatable=True
            )
            if not observation.active:
                raise UnusableAnswer(f"{endpoint} does not let {target} be observed", endpoint=endpoint)
            observed.observation = observation
            response = observation.response
            observation.drop_response()
            observed.payload, told = response.payload, response.opt.content_format
            observed.content_format = None if told is None else int(told)
            self._accept(observed, self._decoded(registration, observed))

    async def _ask(
        self, registration: Registration, observed: Observed, outgoing: Outgoing, limit: float
    ) -> Observation:
        self._exchange.check_owner(observed.endpoint)
        message = outgoing.message(registration)
        message.opt.observe = 0

        async def bounded() -> Observation:
            async with asyncio.timeout(limit):
                return await self._exchange.coap.observe(message, observed)

        observation = await self._exchange.guard(registration, outgoing, bounded())
        self._exchange.check(observed.endpoint, outgoing, observation.response)
        return observation

    def records_of(self, observed: Observed) -> tuple[Record, ...]:
        """What a device said last."""
        registration = self._registry.find(observed.endpoint)
        return () if registration is None else self._decoded(registration, observed)

    def _decoded(self, registration: Registration, observed: Observed) -> tuple[Record, ...]:
        payload, content_format, target = observed.payload, observed.content_format, observed.target
        return decode_payload(
            registration, payload, content_format, target.path, self._catalogues, prefix=target.prefix
        )

    def notified(self, observed: Observed, notification: Notification) -> None:
        """A device said something about what is observed of it."""
        endpoint = observed.endpoint
        registration = self._registry.find(endpoint)
        if registration is None:
            return
        self._exchange.heard(registration)
        if not notification.is_successful:
            path, code = str(observed.target), describe(notification.code)
            log.warning("observation ended by the device", endpoint=endpoint, path=path, code=code)
            observed.forget()
            return
        before = observed.payload, observed.content_format
        observed.payload, observed.content_format = notification.payload, notification.content_format
        try:
            records = self._decoded(registration, observed)
        except UnusableAnswer as error:
            observed.payload, observed.content_format = before
            path, reason = str(observed.target), str(error)
            log.warning("notification not understood", endpoint=endpoint, path=path, reason=reason)
            return
        self._accept(observed, records, notification)

    def _accept(
        self, observed: Observed, records: tuple[Record, ...], notification: Notification | None = None
    ) -> None:
        """Take in new values: the device hears that they arrived, and the bus of them, when they are kept."""
        _call(observed.callbacks, observed, records)
        target = observed.target
        event = Notified(observed.endpoint, target.path, records, time.time(), prefix=target.prefix)
        try:
            commit = self._keepers.keep(event)
        except StoreError as error:
            self._kept(event, None if notification is None else notification.keep_back(), error)
            return
        if commit is None:
            self._bus.publish(event)
        else:
            commit.then(partial(self._kept, event, None if notification is None else notification.keep_back()))

    def _kept(self, event: Notified, acknowledge: Callable[[bool], None] | None, error: Exception | None) -> None:
        if acknowledge is not None:
            acknowledge(error is None)
        if error is None:
            self._bus.publish(event)
        else:
            log.error("notification not kept", endpoint=event.endpoint, path=str(event.path), reason=str(error))


def _outgoing(target: Target, content_format: int | None) -> Outgoing:
    if not target.composite:
        return Outgoing("Observe", Code.GET, target.path, accept=content_format, prefix=target.prefix)
    chosen = int(content_format or ContentFormat.SENML_CBOR)
    return Outgoing(
        "Observe-Composite",
        Code.FETCH,
        payload=read_request(target.paths, chosen, prefix=target.prefix),
        content_format=chosen,
        accept=answer_format(chosen),
    )


def _call(callbacks: Sequence[OnRecords], observed: Observed, records: Sequence[Record]) -> None:
    for callback in callbacks:
        try:
            callback(records)
        except Exception:
            log.exception("notification handler failed", endpoint=observed.endpoint, path=str(observed.target))
