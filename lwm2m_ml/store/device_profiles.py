"""Device profiles: one JSON document per endpoint, whose content is the service's business."""

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database


class DeviceProfileRepository:
    """Documents by endpoint."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.device_profiles)

    def put(self, endpoint: str, profile: Mapping[str, Any]) -> asyncio.Future[None]:
        """Store a device's profile in place of its earlier one."""
        row = {"endpoint": endpoint, "profile": profile, "updated_at": now()}
        return self._database.writer.submit(self._put, row)

    async def get(self, endpoint: str) -> Mapping[str, Any] | None:
        """The profile of a device, or None."""
        columns = tables.device_profiles.c
        row = await self._database.row(select(columns.profile).where(columns.endpoint == endpoint))
        return None if row is None else dict(row.profile)

    async def all(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Every endpoint with its profile."""
        columns = tables.device_profiles.c
        statement = select(columns.endpoint, columns.profile).order_by(columns.endpoint)
        return tuple((row.endpoint, dict(row.profile)) for row in await self._database.rows(statement))

    def delete(self, endpoint: str) -> asyncio.Future[None]:
        """Forget the profile of a device."""
        condition = tables.device_profiles.c.endpoint == endpoint
        return self._database.writer.submit(delete(tables.device_profiles).where(condition))
