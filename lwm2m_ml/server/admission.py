"""Who may register as what (OMA-TS-LightweightM2M_Core-V1_2 §6.2.1, §8.1), and how many at a time."""

import asyncio
import random

from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.lwm2m.registration import RegistrationError
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.server.credentials.credentials import Credentials
from lwm2m_ml.server.rates import Rates
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registry import Registry
from lwm2m_ml.server.settings import ServerLimits

PRESSING = 200
"""Registrations under way that make a herd."""
PRESSED_SECONDS = 1.0
"""How long a herd is taken to be there after it showed itself."""


class Admission:
    """Binds endpoint names to what peers proved, and keeps herds and floods from hurting anybody else."""

    def __init__(self, registry: Registry, credentials: Credentials, limits: ServerLimits, *, insecure: bool) -> None:
        """Needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._insecure = insecure
        self._registry = registry
        self._credentials = credentials
        self._limits = limits
        self._rates = Rates(limits.registrations_per_peer)
        self.under_way = 0
        """Registrations and changes of registrations that wait for the disk."""
        self._pressed_until = 0.0

    def hurry(self, remote: Remote) -> str | None:
        """Why a peer has to register later, before anything of its request is read; None when it need not."""
        if self.under_way >= PRESSING:
            self._pressed_until = self._loop.time() + PRESSED_SECONDS
        if self.under_way >= self._limits.registrations_under_way:
            return f"{self.under_way} registrations are under way"
        if not self._rates.take(remote.identity or remote.address[0], self._loop.time()):
            return "too many registrations from one peer"
        return None

    def pressed(self) -> bool:
        """Whether devices come in such numbers, or did a moment ago, that whatever can wait should."""
        return self._loop.time() < self._pressed_until

    def retry_after(self) -> int:
        """A Max-Age that spreads a herd, so that it does not come back as one."""
        shortest = self._limits.overload_retry
        return random.randint(shortest, shortest * 3)

    def endpoint(self, told: str | None, remote: Remote) -> str:
        """The endpoint name that a Register is for, where it may tell none.

        Raises `RegistrationError` when the peer may not speak for it.
        """
        endpoint = told
        if remote.identity is not None:
            owner = self._credentials.endpoint_of(remote.identity)
            if owner is None or endpoint not in {None, owner}:
                raise RegistrationError("The credential is for another endpoint", code=ResponseCode.FORBIDDEN)
            endpoint = owner
        if endpoint is None:
            raise RegistrationError("The endpoint name is missing", hint="Send ep=NAME")
        if remote.identity is None and not self._insecure:
            raise RegistrationError("Devices must prove who they are", code=ResponseCode.UNAUTHORIZED)
        if remote.identity is None and not self._credentials.may_speak_for(None, endpoint):
            raise RegistrationError("The endpoint must use its credentials", code=ResponseCode.FORBIDDEN)
        if self._registry.find(endpoint) is None and len(self._registry) >= self._limits.maximum_devices:
            raise RegistrationError(
                f"{len(self._registry)} devices are registered already",
                hint="Raise the limit or start another server",
                code=ResponseCode.SERVICE_UNAVAILABLE,
            )
        return endpoint

    def may_continue(self, registration: Registration, remote: Remote) -> bool:
        """Whether a peer may go on with a registration: what came in with a credential never goes on without."""
        if remote.identity is None and (registration.identity is not None or not self._insecure):
            return False
        return self._credentials.may_speak_for(remote.identity, registration.endpoint)

    def registered(self, remote: Remote) -> Registration | None:
        """The registration of the endpoint that a peer proved to be, wherever it registered from."""
        endpoint = None if remote.identity is None else self._credentials.endpoint_of(remote.identity)
        return None if endpoint is None else self._registry.find(endpoint)
