"""Requests to devices that wait until the device is awake, with what became of them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class DeviceRequestRecord:
    """One request; `operation` and `outcome` are the server's JSON documents, times are Unix seconds."""

    endpoint: str
    operation: Mapping[str, Any]
    state: str
    created_at: float
    expires_at: float
    outcome: Mapping[str, Any] | None = None
    ended_at: float | None = None
    id: int = 0


class DeviceRequestRepository:
    """Requests by number; numbers grow, so that they are the order too."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = tables.device_requests
        self._insert = insert(table).returning(table.c.id)
        self._set = (
            update(table)
            .where(table.c.id == bindparam("of_id"))
            .values(state=bindparam("new_state"), outcome=bindparam("new_outcome"), ended_at=bindparam("new_ended_at"))
        )

    def add(self, record: DeviceRequestRecord) -> asyncio.Future[int]:
        """Append a request; the future carries its number."""
        row = row_of(record)
        del row["id"]

        async def append(connection: AsyncConnection) -> int:
            return int((await connection.execute(self._insert, row)).scalar_one())

        return self._database.writer.run(append)

    def set_state(
        self, number: int, state: str, *, outcome: Mapping[str, Any] | None = None, ended_at: float | None = None
    ) -> asyncio.Future[None]:
        """Note what became of a request."""
        parameters = {"of_id": number, "new_state": state, "new_outcome": outcome, "new_ended_at": ended_at}
        return self._database.writer.submit(self._set, parameters)

    async def get(self, number: int) -> DeviceRequestRecord | None:
        """One request, or None."""
        found = await self._find(tables.device_requests.c.id == number)
        return found[0] if found else None

    async def of_endpoint(self, endpoint: str) -> tuple[DeviceRequestRecord, ...]:
        """The requests of a device, in order."""
        return await self._find(tables.device_requests.c.endpoint == endpoint)

    async def unfinished(self) -> tuple[DeviceRequestRecord, ...]:
        """Every request without an end, in order."""
        return await self._find(tables.device_requests.c.ended_at.is_(None))

    async def unfinished_of(self, endpoint: str) -> tuple[DeviceRequestRecord, ...]:
        """The requests of a device without an end, in order."""
        columns = tables.device_requests.c
        return await self._find(columns.endpoint == endpoint, columns.ended_at.is_(None))

    def delete_ended(self, before: float) -> asyncio.Future[None]:
        """Forget requests that ended before a time."""
        return self._database.writer.submit(
            delete(tables.device_requests).where(tables.device_requests.c.ended_at < before)
        )

    async def _find(self, *conditions: Any) -> tuple[DeviceRequestRecord, ...]:
        statement = select(tables.device_requests).where(*conditions).order_by(tables.device_requests.c.id)
        return tuple(DeviceRequestRecord(**row._mapping) for row in await self._database.rows(statement))
