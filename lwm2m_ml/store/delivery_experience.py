"""How each way of delivery went on each kind of device."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class DeliveryExperienceRecord:
    """One way on one kind of device: how often it went well and badly, and the blocks that were asked for, in bytes."""

    kind: str
    way: str
    arrived: int
    failed: int
    block_bytes: int | None
    updated_at: float = field(default_factory=now)


class DeliveryExperienceRepository:
    """Experience by kind of device and way."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.delivery_experience)

    def put(self, record: DeliveryExperienceRecord) -> asyncio.Future[None]:
        """Store the experience of a way in place of the earlier one."""
        return self._database.writer.submit(self._put, row_of(record))

    async def all(self) -> tuple[DeliveryExperienceRecord, ...]:
        """All there is."""
        rows = await self._database.rows(select(tables.delivery_experience))
        return tuple(DeliveryExperienceRecord(**row._mapping) for row in rows)
