"""Register, Update and De-register (OMA-TS-LightweightM2M_Core-V1_2 §6.2), answered without a task per request."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.fast import FastAnswer, FastRequest, FastResponse, HandlerTable
from lwm2m_ml.coap.numbers import DELETE, POST, PUT
from lwm2m_ml.coap.remote import TOKEN_BYTES, Remote, random_token
from lwm2m_ml.lwm2m.registration import (
    NO_EXPIRY,
    UNCHANGED,
    RegistrationError,
    RegistrationParameters,
    UpdateParameters,
    parse_register,
    parse_update,
)
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.server.admission import Admission
from lwm2m_ml.server.commit import answer_after
from lwm2m_ml.server.errors import UnreadableRecord, describe
from lwm2m_ml.server.events import DeviceDeregistered, DeviceExcluded, DeviceExpired, DeviceRegistered, DeviceUpdated
from lwm2m_ml.server.lifetimes import Lifetimes
from lwm2m_ml.server.mirror import RegistrationMirror
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registration_records import to_parameters
from lwm2m_ml.server.registry import Registry
from lwm2m_ml.server.settings import ServerLimits
from lwm2m_ml.store.errors import StoreError
from lwm2m_ml.store.registrations import RegistrationRecord

SEGMENT = "rd"
CHANGED = FastResponse(ResponseCode.CHANGED)
DELETED = FastResponse(ResponseCode.DELETED)

Rebind = Callable[[Remote, Remote], None]

log = structlog.get_logger(__name__)


class RegistrationInterface:
    """Keeps registry, mirror, lifetimes and bus in step with what devices say.

    The registry changes at once, the answer and the event follow when the change is on disk; if it cannot be written,
    the registry is put back and the device is asked to try again later.
    """

    def __init__(
        self,
        registry: Registry,
        mirror: RegistrationMirror,
        bus: Bus,
        limits: ServerLimits,
        *,
        admission: Admission,
        rebind: Rebind,
        on_started_anew: Callable[[Registration], None],
        on_heard: Callable[[Registration], None],
        on_left: Callable[[Registration], None],
        on_overdue: Callable[[str], None] | None = None,
    ) -> None:
        """`rebind` moves a known peer to the address of another; the others hear of a device before the bus does.

        Without `on_overdue` a registration that was not renewed in time ends.
        """
        self._registry = registry
        self._mirror = mirror
        self._bus = bus
        self._limits = limits
        self._admission = admission
        self._rebind = rebind
        self._on_started_anew = on_started_anew
        self._on_heard = on_heard
        self._on_left = on_left
        self._log = log.bind()
        """Found once: the lazy one of the module looks for it with each line."""
        self._lifetimes = Lifetimes(on_overdue or self.expire)

    def add_to(self, handlers: HandlerTable) -> None:
        """Answer requests below /rd through an endpoint's table."""
        handlers.add(POST, SEGMENT, self._post)
        handlers.add(PUT, SEGMENT, self._put)
        handlers.add(DELETE, SEGMENT, self._delete)

    def restore(self, records: Sequence[RegistrationRecord], remote_of: Callable[[RegistrationRecord], Remote]) -> None:
        """Put what the store knows into the registry, but for devices that may not be registered any more.

        Devices could not renew their registration while no server ran, so that each gets the grace period at least.
        A record that cannot be read is nobody else's harm: its device is told to register when it is heard.
        """
        for record in records:
            try:
                registration = self.learn(record, remote_of(record))
            except UnreadableRecord as error:
                log.error("device not known any more", endpoint=record.endpoint, reason=str(error))
                continue
            if self._admission.may_continue(registration, registration.remote):
                self._watch(registration, elapsed=max(0.0, time.time() - record.updated_at))
            else:
                self.exclude(record.endpoint, "its credential ended while the server did not run")

    def learn(self, record: RegistrationRecord, remote: Remote) -> Registration:
        """Know a device that somebody else registered, as it is stored."""
        registration = Registration(
            endpoint=record.endpoint,
            location=record.location,
            parameters=to_parameters(record),
            identity=record.identity,
            remote=remote,
            registered_at=record.registered_at,
            updated_at=record.updated_at,
        )
        self._registry.put(registration)
        return registration

    def renewed_elsewhere(self, registration: Registration) -> Registration:
        """Another node heard the device."""
        renewed = registration.renewed(registration.parameters, registration.remote, registration.identity, time.time())
        self._registry.put(renewed)
        self._watch(renewed)
        return renewed

    def watch(self, registration: Registration, *, anew: bool = False) -> None:
        """Expire it in time: a lifetime after it was heard last, or after this moment."""
        self._watch(registration, elapsed=0.0 if anew else max(0.0, time.time() - registration.updated_at))

    def left_elsewhere(self, endpoint: str) -> None:
        """Another node saw the device leave, and has told the store."""
        registration = self._registry.remove(endpoint)
        if registration is not None:
            self._lifetimes.forget(endpoint)
            self._on_left(registration)

    def expire(self, endpoint: str) -> None:
        """End a registration whose device was silent for too long."""
        if self._end(endpoint):
            log.info("device expired", endpoint=endpoint)
            self._bus.publish(DeviceExpired(endpoint))

    def close(self) -> None:
        """Expire nobody any more."""
        self._lifetimes.close()

    # Register, §6.2.1

    def _post(self, request: FastRequest) -> FastAnswer:
        return self._register(request) if len(request.path) == 1 else self._update(request)

    def _put(self, request: FastRequest) -> FastAnswer:
        # The candidate specification updated with PUT, and some clients still do.
        return FastResponse(ResponseCode.METHOD_NOT_ALLOWED) if len(request.path) == 1 else self._update(request)

    def _register(self, request: FastRequest) -> FastAnswer:
        hurry = self._admission.hurry(request.remote)
        if hurry is not None:
            log.info("request put off", operation="register", remote=request.remote.hostinfo, reason=hurry)
            return FastResponse(ResponseCode.SERVICE_UNAVAILABLE, max_age=self._admission.retry_after())
        try:
            told, parameters = parse_register(request.query, request.payload, request.content_format)
            endpoint = self._admission.endpoint(told, request.remote)
        except RegistrationError as error:
            return self._refuse("register", _named_endpoint(request), request.remote, error)
        now = time.time()
        remote = request.remote
        registration = Registration(endpoint, random_token().hex(), parameters, remote.identity, remote, now, now)
        reregistered = self._registry.find(endpoint) is not None

        def announce() -> None:
            self._watch(registration)
            self._log.info(
                "device registered",
                endpoint=endpoint,
                remote=remote.hostinfo,
                version=parameters.version,
                lifetime=parameters.lifetime,
                reregistered=reregistered,
            )
            self._on_started_anew(registration)
            self._bus.publish(DeviceRegistered(endpoint, reregistered))

        return self._store("register", registration, created(registration.location), announce)

    # Update, §6.2.2

    def _update(self, request: FastRequest) -> FastAnswer:
        registration = self._at(request)
        if registration is None:
            return self._unknown_location("update", request)
        version = registration.parameters.version
        try:
            update = parse_update(request.query, request.payload, request.content_format, version=version)
        except RegistrationError as error:
            return self._refuse("update", registration.endpoint, request.remote, error)
        parameters = updated(registration.parameters, update)
        moved = registration.remote is not request.remote or registration.identity != request.remote.identity
        remote = self._moved(registration.remote, request.remote)
        renewed = registration.renewed(parameters, remote, request.remote.identity, time.time())
        self._watch(renewed)
        says_more = parameters is not registration.parameters and parameters != registration.parameters
        objects_changed = says_more and parameters.objects != registration.parameters.objects
        event = DeviceUpdated(registration.endpoint, objects_changed)

        def announce() -> None:
            self._on_heard(renewed)
            self._bus.publish(event)

        if moved or says_more:
            return self._store("update", renewed, CHANGED, announce)
        self._registry.put(renewed)
        self._mirror.heard(renewed)
        announce()
        return CHANGED

    def _moved(self, known: Remote, new: Remote) -> Remote:
        """The peer that a device is from now on, which told its location from another address.

        A known peer that speaks for this device alone moves, with its observations. One that speaks for several
        devices, such as a gateway, stays where it is, and this device goes.
        """
        if known is new or self._registry.shares(known) or self._registry.of(new) is not None:
            return new
        if type(known) is not type(new) or known.scheme != new.scheme:
            return new
        self._rebind(known, new)
        return known

    # Who speaks

    def speaker(self, remote: Remote) -> Registration | None:
        """The registration that a peer speaks for, or None.

        A device that proves its identity is known wherever it is: its registration moves to where it speaks from.
        """
        registration = self._registry.of(remote)
        if registration is None:
            registration = self._admission.registered(remote)
            if registration is not None:
                here = self._moved(registration.remote, remote)
                registration = registration.renewed(registration.parameters, here, remote.identity, time.time())
                self._registry.put(registration)
                self._mirror.heard(registration)
        if registration is None or not self._admission.may_continue(registration, remote):
            return None
        return registration

    def exclude(self, endpoint: str, reason: str) -> None:
        """End a registration that a device has no right to any more."""
        if self._end(endpoint):
            log.warning("device excluded", endpoint=endpoint, reason=reason)
            self._bus.publish(DeviceExcluded(endpoint, reason))

    # De-register, §6.2.3

    def _delete(self, request: FastRequest) -> FastAnswer:
        registration = self._at(request)
        if registration is None:
            return self._unknown_location("deregister", request)
        try:
            commit = self._mirror.delete(registration.endpoint)
        except StoreError as error:
            return self._later("deregister", registration.endpoint, error)
        self._registry.remove(registration.endpoint)
        self._lifetimes.forget(registration.endpoint)

        def announce() -> None:
            log.info("device deregistered", endpoint=registration.endpoint)
            self._on_left(registration)
            self._bus.publish(DeviceDeregistered(registration.endpoint))

        def undo() -> None:
            if self._registry.find(registration.endpoint) is None:
                self._registry.put(registration)
                self._watch(registration)

        return answer_after(commit, DELETED, announce, self._limits.overload_retry, undo=undo)

    def _end(self, endpoint: str) -> bool:
        """End a registration without its device; False when there is none."""
        registration = self._registry.remove(endpoint)
        if registration is None:
            return False
        self._lifetimes.forget(endpoint)
        try:
            self._mirror.delete(endpoint)
        except StoreError as error:
            log.warning("end of a registration not written", endpoint=endpoint, reason=str(error))
        self._on_left(registration)
        return True

    # What they share

    def _at(self, request: FastRequest) -> Registration | None:
        """The registration a request is about, if its sender may speak for it."""
        registration = self._registry.at(request.path[1]) if len(request.path) == 2 else None
        if registration is None or not self._admission.may_continue(registration, request.remote):
            return None
        return registration

    def _store(
        self, operation: str, registration: Registration, response: FastResponse, announce: Callable[[], None]
    ) -> FastAnswer:
        try:
            commit = self._mirror.put(registration)
        except StoreError as error:
            return self._later(operation, registration.endpoint, error)
        self._admission.under_way += 1
        commit.then(self._written)
        previous = self._registry.put(registration)

        def undo() -> None:
            if self._registry.find(registration.endpoint) is registration:
                self._registry.remove(registration.endpoint)
                if previous is not None:
                    self._registry.put(previous)

        return answer_after(commit, response, announce, self._limits.overload_retry, undo=undo)

    def _written(self, _error: Exception | None) -> None:
        self._admission.under_way -= 1

    def _watch(self, registration: Registration, *, elapsed: float = 0.0) -> None:
        lifetime, grace = registration.parameters.lifetime, self._limits.lifetime_grace
        if lifetime == NO_EXPIRY:
            self._lifetimes.forget(registration.endpoint)
        else:
            self._lifetimes.watch(registration.endpoint, max(lifetime - elapsed, 0.0) + grace)

    def _unknown_location(self, operation: str, request: FastRequest) -> FastResponse:
        log.info(
            "request refused",
            operation=operation,
            remote=request.remote.hostinfo,
            reason="there is no such registration",
        )
        return FastResponse(ResponseCode.NOT_FOUND)

    def _refuse(self, operation: str, endpoint: str | None, remote: Remote, error: RegistrationError) -> FastResponse:
        code = describe(error.code)
        log.warning(
            "request refused",
            operation=operation,
            endpoint=endpoint,
            remote=remote.hostinfo,
            code=code,
            reason=str(error),
        )
        retry = self._limits.overload_retry if error.code == ResponseCode.SERVICE_UNAVAILABLE else None
        return FastResponse(error.code, error.message.encode(), max_age=retry)

    def _later(self, operation: str, endpoint: str, error: StoreError) -> FastResponse:
        log.error("request put off", operation=operation, endpoint=endpoint, reason=str(error))
        return FastResponse(ResponseCode.SERVICE_UNAVAILABLE, max_age=self._limits.overload_retry)


def created(location: str) -> FastResponse:
    """2.01 with a location, written at once: every registration is answered so, and every location is as long."""
    return FastResponse(
        ResponseCode.CREATED, location_path=(SEGMENT, location), encoded=_BEFORE_LOCATION + location.encode()
    )


_LOCATION = "0" * 2 * TOKEN_BYTES
_BEFORE_LOCATION = FastResponse(ResponseCode.CREATED, location_path=(SEGMENT, _LOCATION)).tail()[: -len(_LOCATION)]


def updated(parameters: RegistrationParameters, update: UpdateParameters) -> RegistrationParameters:
    """What a device registered, with what it said since: everything an Update leaves out stays as it was."""
    if update is UNCHANGED:
        return parameters
    changes = {
        name: value
        for name in ("lifetime", "binding", "queue_mode", "sms", "objects", "content_formats", "root_path")
        if (value := getattr(update, name)) is not None
    }
    if not changes and not update.attributes:
        return parameters
    return replace(parameters, attributes={**parameters.attributes, **update.attributes}, **changes)


def _named_endpoint(request: FastRequest) -> str | None:
    return next((item[3:] for item in request.query if item.startswith("ep=")), None)
