"""Groups of devices, each a name for a filter, and the tags that operators give to devices."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class DeviceGroupRecord:
    """One group; `filter` is the service's language."""

    name: str
    filter: str
    created_at: float = field(default_factory=now)


class DeviceGroupRepository:
    """Groups by name."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.device_groups, keep=("created_at",))

    def put(self, record: DeviceGroupRecord) -> asyncio.Future[None]:
        """Store a group in place of an earlier one of its name."""
        return self._database.writer.submit(self._put, row_of(record))

    async def all(self) -> tuple[DeviceGroupRecord, ...]:
        """Every group, by name."""
        rows = await self._database.rows(select(tables.device_groups).order_by(tables.device_groups.c.name))
        return tuple(DeviceGroupRecord(**row._mapping) for row in rows)

    def delete(self, name: str) -> asyncio.Future[None]:
        """Forget a group."""
        return self._database.writer.submit(delete(tables.device_groups).where(tables.device_groups.c.name == name))


class DeviceTagRepository:
    """Tags by endpoint."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.insert_new(tables.device_tags)

    def replace(self, endpoint: str, tags: Iterable[str]) -> asyncio.Future[None]:
        """Give a device exactly these tags."""
        forget = delete(tables.device_tags).where(tables.device_tags.c.endpoint == endpoint)
        rows = [(self._put, {"endpoint": endpoint, "tag": tag}) for tag in tags]
        return self._database.writer.submit_all([(forget, None), *rows])

    async def all(self) -> tuple[tuple[str, str], ...]:
        """Every endpoint with every tag of it."""
        columns = tables.device_tags.c
        rows = await self._database.rows(select(tables.device_tags).order_by(columns.endpoint, columns.tag))
        return tuple((row.endpoint, row.tag) for row in rows)
