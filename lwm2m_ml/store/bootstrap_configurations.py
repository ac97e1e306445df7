"""What the bootstrap server gives to whom; the documents' content is the LwM2M server's business."""

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database


class BootstrapConfigurationRepository:
    """Documents by endpoint name, or by a pattern of names."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.bootstrap_configurations)

    def put(self, pattern: str, configuration: Mapping[str, Any]) -> asyncio.Future[None]:
        """Store a configuration in place of the pattern's earlier one."""
        row = {"pattern": pattern, "configuration": configuration, "updated_at": now()}
        return self._database.writer.submit(self._put, row)

    def delete(self, pattern: str) -> asyncio.Future[None]:
        """Forget a pattern's configuration."""
        table = tables.bootstrap_configurations
        return self._database.writer.submit(delete(table).where(table.c.pattern == pattern))

    async def all(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Every pattern with its configuration."""
        columns = tables.bootstrap_configurations.c
        statement = select(columns.pattern, columns.configuration).order_by(columns.pattern)
        return tuple((row.pattern, dict(row.configuration)) for row in await self._database.rows(statement))
