"""Device profiles: one JSON document per endpoint, whose content is the service's business."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sqlalchemy import Text, cast, delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.row_statement import RowStatement


class DeviceProfileRepository:
    """Documents by endpoint."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = RowStatement(database.upsert(tables.device_profiles), ("endpoint", "profile", "updated_at"))

    def put(self, endpoint: str, profile: Mapping[str, Any]) -> Commit:
        """Store a device's profile in place of its earlier one."""
        return self._database.writer.submit_rows(self._put, (endpoint, profile, now()))

    async def get(self, endpoint: str) -> Mapping[str, Any] | None:
        """The profile of a device, or None."""
        columns = tables.device_profiles.c
        row = await self._database.row(select(columns.profile).where(columns.endpoint == endpoint))
        return None if row is None else dict(row.profile)

    async def texts(self) -> AsyncIterator[tuple[str, str]]:
        """Every endpoint with its profile, which is left as it was written: JSON."""
        columns = tables.device_profiles.c
        statement = select(columns.endpoint, cast(columns.profile, Text)).order_by(columns.endpoint)
        async for rows in self._database.batches(statement):
            for endpoint, profile in rows:
                yield sys.intern(endpoint), profile

    def delete(self, endpoint: str) -> asyncio.Future[None]:
        """Forget the profile of a device."""
        condition = tables.device_profiles.c.endpoint == endpoint
        return self._database.writer.submit(delete(tables.device_profiles).where(condition))
