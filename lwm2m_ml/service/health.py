"""Whether the service can keep its promises now, and what keeps it from that."""

import asyncio
import contextlib
import time

import structlog

from lwm2m_ml.bus import NotOwner, Ownership, SoleOwner
from lwm2m_ml.errors import UnavailableError
from lwm2m_ml.service.wall_clock import WallClock
from lwm2m_ml.store import Store, StoreError

log = structlog.get_logger(__name__)

READY_SECONDS = 5.0
LOOK_SECONDS = 5.0
TOLD_SECONDS = 3_600.0
"""How long it is told that the clock was set: whoever looks at times of that hour has to know."""
PROBE = "readiness"
"""The number that is counted on in the database to see whether it takes writes."""


class Health:
    """Looks at clock and database every few seconds, from `start()` to `stop()`."""

    def __init__(self, store: Store, clock: WallClock | None = None, ownership: Ownership | None = None) -> None:
        self._store = store
        self._ownership = ownership or SoleOwner()
        self._clock = clock or WallClock()
        self._jump = 0.0
        self._jumped_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not work, in sentences that anybody may read; empty while all is well."""
        found = []
        try:
            self._ownership.check()
        except NotOwner:
            found.append("NATS does not answer: this node acts for no device until it does")
        if self._store.writer.durability.trouble is not None:
            found.append("The database takes no writes: nothing new is promised to anybody")
        if self._jump and time.monotonic() - self._jumped_at < TOLD_SECONDS:
            direction = "forward" if self._jump > 0 else "back"
            found.append(f"The clock was set {abs(self._jump):.0f} s {direction} within the last hour")
        return tuple(found)

    async def check_ready(self) -> None:
        """Make sure that devices can be served; raises `UnavailableError` when they cannot, or not soon."""
        self._ownership.check()
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._store.sequence_numbers.next(PROBE)
        except TimeoutError as error:
            raise UnavailableError("The database does not take writes at present") from error

    def look(self) -> None:
        """Notice that the clock was set."""
        jump = self._clock.jumped()
        if jump:
            self._jump, self._jumped_at = jump, time.monotonic()
            log.warning("the clock was set", seconds=round(jump))

    async def _run(self) -> None:
        while True:
            self.look()
            if self._store.writer.durability.trouble is not None:
                with contextlib.suppress(StoreError, UnavailableError):  # it is known already
                    await self.check_ready()
            await asyncio.sleep(LOOK_SECONDS)
