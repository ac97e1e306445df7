"""Who can be reached now: devices in queue mode sleep between their messages (OMA-TS-LightweightM2M_Core-V1_2 §6.5)."""

import asyncio

from lwm2m_ml.lwm2m.queue_mode import Presence
from lwm2m_ml.server.registration import Registration


class Presences:
    """The presence of devices in queue mode; any other device counts as awake."""

    def __init__(self, *, awake_seconds: float) -> None:
        """Needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._awake_seconds = awake_seconds
        self._presences: dict[str, Presence] = {}
        self._waiting: dict[str, asyncio.Event] = {}

    def awake(self, registration: Registration) -> bool:
        """Whether a request sent now can be expected to arrive."""
        if not registration.parameters.queue_mode:
            return True
        known = self._presences.get(registration.endpoint)
        return known is not None and known.awake(self._loop.time())

    def heard(self, registration: Registration) -> None:
        """A message of the device arrived, of whatever kind: it listens for a while."""
        endpoint = registration.endpoint
        if registration.parameters.queue_mode:
            known = self._presences.get(endpoint) or Presence(True, self._loop.time(), self._awake_seconds)
            self._presences[endpoint] = known.heard(self._loop.time())
        waiting = self._waiting.pop(endpoint, None)
        if waiting is not None:
            waiting.set()

    def silent(self, registration: Registration) -> None:
        """The device did not answer: it sleeps until it is heard again."""
        known = self._presences.get(registration.endpoint)
        if known is not None:
            self._presences[registration.endpoint] = known.silent()

    def left(self, endpoint: str) -> None:
        """The device is not registered any more: nobody need wait for it."""
        self._presences.pop(endpoint, None)
        waiting = self._waiting.pop(endpoint, None)
        if waiting is not None:
            waiting.set()

    async def until_heard(self, endpoint: str) -> None:
        """Wait until the device is heard, or leaves."""
        await self._waiting.setdefault(endpoint, asyncio.Event()).wait()
