"""Inputs that devices handed out, and which devices may be asked for them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, insert, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """A device may be asked for this many inputs within a day."""

    endpoint: str
    per_day: int
    granted_by: str
    granted_at: float = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class CaptureRecord:
    """One input as the module got it: `tensor` says how its integers are to be read. `id` is given by the store."""

    endpoint: str
    model: str
    version: str
    number: int | None
    tensor: Mapping[str, Any]
    content: bytes
    captured_at: float = field(default_factory=now)
    id: int = 0
    series: int = 0


class CaptureRepository:
    """Captured inputs, and consents by endpoint."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = insert(tables.captures)
        self._grant = database.upsert(tables.capture_consents)

    def grant(self, record: ConsentRecord) -> asyncio.Future[None]:
        """Let a device be asked."""
        return self._database.writer.submit(self._grant, row_of(record))

    def withdraw(self, endpoint: str) -> asyncio.Future[None]:
        """Let a device be asked no more."""
        table = tables.capture_consents
        return self._database.writer.submit(delete(table).where(table.c.endpoint == endpoint))

    async def consent(self, endpoint: str) -> ConsentRecord | None:
        """What a device may be asked for; None when it may not."""
        table = tables.capture_consents
        row = await self._database.row(select(table).where(table.c.endpoint == endpoint))
        return None if row is None else ConsentRecord(**row._mapping)

    async def consents(self) -> tuple[ConsentRecord, ...]:
        """Every device that may be asked."""
        table = tables.capture_consents
        rows = await self._database.rows(select(table).order_by(table.c.endpoint))
        return tuple(ConsentRecord(**row._mapping) for row in rows)

    def add(self, record: CaptureRecord) -> asyncio.Future[None]:
        """Append an input."""
        row = row_of(record)
        del row["id"]
        return self._database.writer.submit(self._insert, row)

    async def count_since(self, endpoint: str, since: float) -> int:
        """How many inputs a device has handed out since a time."""
        columns = tables.captures.c
        statement = select(func.count()).where(columns.endpoint == endpoint, columns.captured_at >= since)
        row = await self._database.row(statement)
        return 0 if row is None else int(row[0])

    async def of_model(
        self, model: str, *, after_id: int = 0, since: float = 0.0, limit: int
    ) -> tuple[CaptureRecord, ...]:
        """Inputs of a model in order of capture, from after `after_id` on, at most `limit`."""
        columns = tables.captures.c
        statement = (
            select(tables.captures)
            .where(columns.model == model, columns.id > after_id, columns.captured_at >= since)
            .order_by(columns.id)
            .limit(limit)
        )
        return tuple(CaptureRecord(**row._mapping) for row in await self._database.rows(statement))

    def delete_of(self, endpoint: str) -> asyncio.Future[None]:
        """Forget every input of a device."""
        table = tables.captures
        return self._database.writer.submit(delete(table).where(table.c.endpoint == endpoint))
