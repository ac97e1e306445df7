"""Registrations as the LwM2M server mirrors them, so that devices are known after a restart."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class RegistrationRecord:
    """One registered device; `parameters` is the server's own JSON document, times are Unix seconds."""

    endpoint: str
    location: str
    address_host: str
    address_port: int
    identity: str | None
    lifetime: int
    version: str
    binding: str
    queue_mode: bool
    parameters: Mapping[str, Any]
    registered_at: float
    updated_at: float


class RegistrationRepository:
    """One row per endpoint."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = tables.registrations
        self._put = database.upsert(table)
        self._delete = delete(table).where(table.c.endpoint == bindparam("of_endpoint"))
        self._touch = (
            update(table)
            .where(table.c.endpoint == bindparam("of_endpoint"))
            .values(
                updated_at=bindparam("now"), address_host=bindparam("from_host"), address_port=bindparam("from_port")
            )
        )

    def put(self, record: RegistrationRecord) -> asyncio.Future[None]:
        """Store a registration in place of the endpoint's earlier one."""
        return self._database.writer.submit(self._put, row_of(record))

    def touch(self, endpoint: str, *, now: float, host: str, port: int) -> asyncio.Future[None]:
        """Note that the device was heard of at `now` from this address."""
        parameters = {"of_endpoint": endpoint, "now": now, "from_host": host, "from_port": port}
        return self._database.writer.submit(self._touch, parameters)

    def delete(self, endpoint: str) -> asyncio.Future[None]:
        """Forget an endpoint's registration."""
        return self._database.writer.submit(self._delete, {"of_endpoint": endpoint})

    async def all(self) -> tuple[RegistrationRecord, ...]:
        """Every registration, by endpoint."""
        statement = select(tables.registrations).order_by(tables.registrations.c.endpoint)
        return tuple(RegistrationRecord(**row._mapping) for row in await self._database.rows(statement))
