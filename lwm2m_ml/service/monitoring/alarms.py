"""Alarms: raised once, cleared when what they tell of is over, acknowledged by people; durable and told on the bus.

Those of other nodes are known here too: a device may be served by this node next, and its alarms end here.
"""

import dataclasses
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.store.alarms import AlarmRecord, AlarmRepository

log = structlog.get_logger(__name__)

DRIFT = "drift"
Alarm = AlarmRecord
"""The stored record is all there is to an alarm."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alarm is about; the same subject has at most one open alarm. No endpoint: all devices of the model."""

    kind: str
    endpoint: str
    model: str
    version: str
    feature: str


@dataclass(frozen=True, slots=True)
class AlarmChanged:
    """Told on the bus when an alarm is raised, cleared or acknowledged."""

    alarm: AlarmRecord


class Alarms:
    """All alarms; those that are open also in memory."""

    def __init__(self, repository: AlarmRepository, bus: Bus) -> None:
        self._repository = repository
        self._bus = bus
        self._open: dict[Subject, AlarmRecord] = {}

    async def start(self) -> None:
        """Load the open ones, and hear of those of other nodes."""
        self._bus.subscribe(AlarmChanged, self._changed_elsewhere, everywhere=True, here=False)
        await self.load()

    async def load(self) -> None:
        """Read the open ones from the store."""
        self._open = {_subject(record): record for record in await self._repository.open()}

    async def raise_alarm(self, subject: Subject, message: str, figures: Mapping[str, Any]) -> AlarmRecord:
        """Raise an alarm, or return the one that is open about the same subject."""
        known = self._open.get(subject)
        if known is not None:
            return known
        record = AlarmRecord(
            id=secrets.token_hex(8), message=message, figures=dict(figures), **dataclasses.asdict(subject)
        )
        self._open[subject] = record
        await self._repository.put(record)
        log.warning("alarm", **dataclasses.asdict(subject), message=message)
        self._bus.publish(AlarmChanged(record))
        return record

    async def clear(self, subject: Subject) -> None:
        """End the open alarm about a subject, where there is one."""
        record = self._open.pop(subject, None)
        if record is None:
            return
        cleared = dataclasses.replace(record, cleared_at=time.time())
        await self._repository.clear(record.id, cleared.cleared_at or 0.0)
        log.info("alarm over", **dataclasses.asdict(subject))
        self._bus.publish(AlarmChanged(cleared))

    async def clear_others(self, endpoint: str, releases: Collection[tuple[str, str]]) -> None:
        """End the alarms of a device that are about other models and versions than those that it runs now."""
        for subject in list(self._open):
            if subject.endpoint == endpoint and (subject.model, subject.version) not in releases:
                await self.clear(subject)

    async def clear_unless(self, runs: Callable[[str, str], bool]) -> None:
        """End the alarms of fleets whose version of a model runs nowhere any more."""
        for subject in list(self._open):
            if not subject.endpoint and not runs(subject.model, subject.version):
                await self.clear(subject)

    async def acknowledge(self, alarm_id: str, who: str) -> AlarmRecord:
        """Note that somebody has seen an alarm; raises `NotFoundError`."""
        await self.get(alarm_id)
        await self._repository.acknowledge(alarm_id, who, time.time())
        record = await self.get(alarm_id)
        if record.cleared_at is None:
            self._open[_subject(record)] = record
        self._bus.publish(AlarmChanged(record))
        return record

    async def get(self, alarm_id: str) -> AlarmRecord:
        """Return an alarm; raises `NotFoundError`."""
        record = await self._repository.get(alarm_id)
        if record is None:
            raise NotFoundError(f"There is no alarm {alarm_id!r}")
        return record

    def is_open(self, subject: Subject) -> bool:
        """Whether there is an alarm about a subject that is not over."""
        return subject in self._open

    def open(self) -> tuple[AlarmRecord, ...]:
        """Return the alarms that are not over, oldest first."""
        return tuple(sorted(self._open.values(), key=lambda record: record.raised_at))

    def by_endpoint(self) -> Counter[str]:
        """Count the alarms of each device that are not over."""
        return Counter(subject.endpoint for subject in self._open if subject.endpoint)

    async def newest(
        self, limit: int, *, before: tuple[float, str] | None = None, only_open: bool = False
    ) -> tuple[AlarmRecord, ...]:
        """Return alarms, newest first; those after a place (raised_at, id) in that order, and open, when asked."""
        return await self._repository.newest(limit, before=before, only_open=only_open)

    async def _changed_elsewhere(self, event: AlarmChanged) -> None:
        alarm, subject = event.alarm, _subject(event.alarm)
        known = self._open.get(subject)
        if known is not None and known.id != alarm.id:
            if alarm.cleared_at is None and _age(alarm) < _age(known):  # two raised it at once: the first one stays
                await self.clear(subject)
                self._open[subject] = alarm
        elif alarm.cleared_at is None:
            self._open[subject] = alarm
        else:
            self._open.pop(subject, None)


def _age(record: AlarmRecord) -> tuple[float, str]:
    return record.raised_at, record.id


def _subject(record: AlarmRecord) -> Subject:
    return Subject(record.kind, record.endpoint, record.model, record.version, record.feature)
