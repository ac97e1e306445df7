"""Sums results up by hour, and forgets them, and later their sums, when they are old."""

import asyncio
import time

import structlog

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.wall_clock import WallClock
from lwm2m_ml.store.result_hours import HOUR, ResultHourRepository
from lwm2m_ml.store.results import ResultRepository

log = structlog.get_logger(__name__)

DAY = 86_400.0
SETTLING_HOURS = 3
"""Results may come late: so many hours before the present one are summed up anew each time."""
MAXIMUM_CATCHING_UP = 24 * 31


class Retention:
    """Runs every hour, and once at the start."""

    def __init__(
        self, results: ResultRepository, hours: ResultHourRepository, *, result_days: float, hour_days: float
    ) -> None:
        self._results = results
        self._hours = hours
        self._result_days = result_days
        self._hour_days = hour_days
        self._clock = WallClock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def run_once(self, now: float, *, forget: bool = True) -> None:
        """Sum up whole hours before `now`, Unix seconds, then, unless it should not, `forget` what is old."""
        present = int(now) // HOUR * HOUR
        newest = await self._hours.newest_hour()
        begin = present - (SETTLING_HOURS if newest is not None else MAXIMUM_CATCHING_UP) * HOUR
        if newest is not None:
            begin = max(min(begin, newest + HOUR), present - MAXIMUM_CATCHING_UP * HOUR)
        begin = max(begin, int(now - self._result_days * DAY) // HOUR * HOUR + HOUR, 0)
        oldest = await self._results.oldest_since(begin)
        if oldest is not None:
            for hour in range(int(oldest) // HOUR * HOUR, present, HOUR):
                await self._hours.sum_up(hour)
        if not forget:
            return
        await self._results.delete_before(now - self._result_days * DAY)
        await self._hours.delete_before(int(now - self._hour_days * DAY))

    async def _run(self) -> None:
        while True:
            try:
                # By a clock that was just set nothing is forgotten: within the hour somebody may set it right.
                await self.run_once(time.time(), forget=not self._clock.jumped())
            except Lwm2mMlError as error:
                log.warning("results are not summed up for now", reason=error.message)
            await asyncio.sleep(HOUR)
