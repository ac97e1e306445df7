"""Device types: what an operator says of devices that do not tell it themselves."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class DeviceTypeRecord:
    """One type; `facts` are the service's words."""

    name: str
    facts: Mapping[str, Any]
    created_at: float = field(default_factory=now)


class DeviceTypeRepository:
    """Types by name."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.device_types, keep=("created_at",))

    def put(self, record: DeviceTypeRecord) -> asyncio.Future[None]:
        """Store a type in place of an earlier one of its name."""
        return self._database.writer.submit(self._put, row_of(record))

    async def all(self) -> tuple[DeviceTypeRecord, ...]:
        """Every type, oldest first."""
        columns = tables.device_types.c
        rows = await self._database.rows(select(tables.device_types).order_by(columns.created_at, columns.name))
        return tuple(DeviceTypeRecord(**row._mapping) for row in rows)

    def delete(self, name: str) -> asyncio.Future[None]:
        """Forget a type."""
        return self._database.writer.submit(delete(tables.device_types).where(tables.device_types.c.name == name))
