"""Asks devices whose inputs have drifted for some of them, as far as they may be asked."""

import asyncio
from functools import partial

import structlog

from lwm2m_ml.bus import Bus, Subscription
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.monitoring.alarms import DRIFT, AlarmChanged
from lwm2m_ml.service.monitoring.captures import Captures

log = structlog.get_logger(__name__)


class CaptureOnAlarm:
    """Captures when an alarm of drift is raised: from its device, or from all that may be asked for a fleet's."""

    def __init__(self, captures: Captures, bus: Bus, *, inputs: int = 8) -> None:
        self._captures = captures
        self._bus = bus
        self._inputs = inputs
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._subscription: Subscription | None = None

    def start(self) -> None:
        """Listen for alarms from now on."""
        self._subscription = self._bus.subscribe(AlarmChanged, self._changed)

    async def stop(self) -> None:
        """Listen no more and give up what is under way."""
        if self._subscription is not None:
            self._subscription.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _changed(self, event: AlarmChanged) -> None:
        alarm = event.alarm
        if alarm.kind != DRIFT or alarm.cleared_at is not None or alarm.acknowledged_at is not None:
            return
        consents = await self._captures.consents()
        for endpoint in [one.endpoint for one in consents if alarm.endpoint in {"", one.endpoint}]:
            if endpoint in self._tasks:
                continue  # several features of a device drift at once: it is asked once
            task = asyncio.create_task(self._capture(endpoint))
            self._tasks[endpoint] = task
            task.add_done_callback(partial(self._ended, endpoint))

    def _ended(self, endpoint: str, _task: "asyncio.Task[None]") -> None:
        self._tasks.pop(endpoint, None)

    async def _capture(self, endpoint: str) -> None:
        try:
            for _ in range(min(self._inputs, await self._captures.left_today(endpoint))):
                await self._captures.capture(endpoint)
        except Lwm2mMlError as error:
            log.info("no input captured", endpoint=endpoint, reason=error.message)
