"""What was last counted on each device of each model, so that the next count tells what came in between."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class WatchedModelRecord:
    """The module in one slot of a device, its counters and how each of its features stood at a time."""

    endpoint: str
    slot: int
    module_digest: str
    counters: Mapping[str, Any]
    phases: Mapping[str, str]
    taken_at: float


class WatchedModelRepository:
    """One row per device and slot."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.watched_models)

    def put(self, record: WatchedModelRecord) -> asyncio.Future[None]:
        """Store the latest count."""
        return self._database.writer.submit(self._put, row_of(record))

    def delete_slot(self, endpoint: str, slot: int) -> asyncio.Future[None]:
        """Forget one slot of a device."""
        table = tables.watched_models
        return self._database.writer.submit(delete(table).where(table.c.endpoint == endpoint, table.c.slot == slot))

    async def of_endpoint(self, endpoint: str) -> tuple[WatchedModelRecord, ...]:
        """The slots of a device, in order."""
        table = tables.watched_models
        statement = select(table).where(table.c.endpoint == endpoint).order_by(table.c.slot)
        return tuple(WatchedModelRecord(**row._mapping) for row in await self._database.rows(statement))

    async def all(self) -> tuple[WatchedModelRecord, ...]:
        """Every slot of every device."""
        table = tables.watched_models
        rows = await self._database.rows(select(table).order_by(table.c.endpoint, table.c.slot))
        return tuple(WatchedModelRecord(**row._mapping) for row in rows)
