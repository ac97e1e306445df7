"""The durable mirror of the registry: what must be on disk before a device is answered, and what may lag."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

import structlog

from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registration_records import to_record
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.errors import StoreError, WriteRefused
from lwm2m_ml.store.registrations import RegistrationRecord, RegistrationRepository

RETRY_SECONDS = 2.0
"""Until signs of life that the database did not take are offered to it again."""

log = structlog.get_logger(__name__)


class RegistrationMirror:
    """Writes registrations to the store. Mere signs of life are gathered and written up to `lag` seconds later."""

    def __init__(
        self, repository: RegistrationRepository, current: Callable[[str], Registration | None], *, lag: float
    ) -> None:
        """`current` tells the registration that an endpoint has now."""
        self._repository = repository
        self._current = current
        self._lag = lag
        self._closed = False
        self._heard: dict[str, Registration] = {}
        self._timer: asyncio.TimerHandle | None = None

    def put(self, registration: Registration) -> Commit:
        """Write a registration."""
        self._heard.pop(registration.endpoint, None)
        return self._repository.put(to_record(registration))

    def delete(self, endpoint: str) -> Commit:
        """Remove a registration."""
        self._heard.pop(endpoint, None)
        return self._repository.delete(endpoint)

    def heard(self, registration: Registration) -> None:
        """Note a sign of life, to be written soon."""
        self._heard[registration.endpoint] = registration
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._lag, self._write)

    async def load(self) -> tuple[RegistrationRecord, ...]:
        """What was registered when the server stopped."""
        return await self._repository.all()

    async def close(self) -> None:
        """Write the signs of life that still wait."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for commit in self._write():
            with contextlib.suppress(StoreError):  # they may be lost
                await commit

    def _write(self) -> list[Commit]:
        self._timer = None
        heard, self._heard = self._heard, {}
        commits = []
        for registration in heard.values():
            try:
                commit = self._repository.put(to_record(registration))
            except StoreError as error:
                self._keep(registration, error)
                continue
            commit.then(partial(self._keep, registration))
            commits.append(commit)
        return commits

    def _keep(self, registration: Registration, error: Exception | None) -> None:
        """Write a sign of life later that could not be written now, unless the device was heard of since, or left."""
        if error is None or self._closed or self._current(registration.endpoint) is not registration:
            return
        if isinstance(error, WriteRefused):
            return  # whoever acts for the device by now writes its signs of life
        if self._timer is None:
            log.warning("signs of life not written yet", reason=str(error))
            self._timer = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._write)
        self._heard[registration.endpoint] = registration
