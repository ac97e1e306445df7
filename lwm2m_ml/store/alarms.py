"""Alarms: what went wrong in the field, when, and who has seen it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select, tuple_, update

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """One alarm; `endpoint` is empty for an alarm of a whole fleet. Times are Unix seconds."""

    id: str
    kind: str
    endpoint: str
    model: str
    version: str
    feature: str
    message: str
    figures: Mapping[str, Any]
    raised_at: float = field(default_factory=now)
    cleared_at: float | None = None
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None


class AlarmRepository:
    """Alarms by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = tables.alarms
        self._put = database.upsert(table)
        self._clear = update(table).where(table.c.id == bindparam("of_id")).values(cleared_at=bindparam("at"))
        self._acknowledge = (
            update(table)
            .where(table.c.id == bindparam("of_id"), table.c.acknowledged_at.is_(None))
            .values(acknowledged_at=bindparam("at"), acknowledged_by=bindparam("who"))
        )

    def put(self, record: AlarmRecord) -> asyncio.Future[None]:
        """Store an alarm."""
        return self._database.writer.submit(self._put, row_of(record))

    def clear(self, alarm_id: str, at: float) -> asyncio.Future[None]:
        """Note that what an alarm told of is over."""
        return self._database.writer.submit(self._clear, {"of_id": alarm_id, "at": at})

    def acknowledge(self, alarm_id: str, who: str, at: float) -> asyncio.Future[None]:
        """Note who has seen an alarm; the first one stays."""
        return self._database.writer.submit(self._acknowledge, {"of_id": alarm_id, "who": who, "at": at})

    async def get(self, alarm_id: str) -> AlarmRecord | None:
        """One alarm, or None."""
        found = await self._find(tables.alarms.c.id == alarm_id)
        return found[0] if found else None

    async def open(self) -> tuple[AlarmRecord, ...]:
        """All alarms that are not over, oldest first."""
        return await self._find(tables.alarms.c.cleared_at.is_(None))

    async def newest(
        self, limit: int, *, before: tuple[float, str] | None = None, only_open: bool = False
    ) -> tuple[AlarmRecord, ...]:
        """The newest alarms, newest first; those after a place (raised_at, id) in that order, and open, when asked."""
        columns = tables.alarms.c
        statement = select(tables.alarms).order_by(columns.raised_at.desc(), columns.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(tuple_(columns.raised_at, columns.id) < before)
        if only_open:
            statement = statement.where(columns.cleared_at.is_(None))
        return tuple(AlarmRecord(**row._mapping) for row in await self._database.rows(statement))

    async def _find(self, condition: Any) -> tuple[AlarmRecord, ...]:
        statement = select(tables.alarms).where(condition).order_by(tables.alarms.c.raised_at, tables.alarms.c.id)
        return tuple(AlarmRecord(**row._mapping) for row in await self._database.rows(statement))
