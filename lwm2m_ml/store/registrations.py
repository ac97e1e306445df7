"""Registrations as the LwM2M server mirrors them, so that devices are known after a restart."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.row_statement import RowStatement


class RegistrationRecord(NamedTuple):
    """One registered device; `parameters` is a document of the server's own, times are Unix seconds.

    It is the row itself: its fields are the columns, in their order.
    """

    endpoint: str
    location: str
    address_host: str
    address_port: int
    identity: str | None
    lifetime: int
    version: str
    binding: str
    queue_mode: bool
    parameters: str
    registered_at: float
    updated_at: float


class RegistrationRepository:
    """One row per endpoint."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = tables.registrations
        self._put = RowStatement(database.upsert(table), RegistrationRecord._fields)
        self._delete = RowStatement(delete(table).where(table.c.endpoint == bindparam("endpoint")), ("endpoint",))

    def put(self, record: RegistrationRecord) -> Commit:
        """Store a registration in place of the endpoint's earlier one."""
        return self._database.writer.submit_rows(self._put, record)

    def delete(self, endpoint: str) -> Commit:
        """Forget an endpoint's registration."""
        return self._database.writer.submit_rows(self._delete, (endpoint,))

    async def some(self, endpoints: Sequence[str]) -> tuple[RegistrationRecord, ...]:
        """The registrations of these endpoints, as far as there are any."""
        statement = select(tables.registrations).where(tables.registrations.c.endpoint.in_(endpoints))
        return tuple(RegistrationRecord(**row._mapping) for row in await self._database.rows(statement))

    async def all(self) -> tuple[RegistrationRecord, ...]:
        """Every registration, by endpoint."""
        statement = select(tables.registrations).order_by(tables.registrations.c.endpoint)
        return tuple([_record(row) async for rows in self._database.batches(statement) for row in rows])


def _record(row: Iterable[Any]) -> RegistrationRecord:
    """The record of a row; what many devices say alike is held once, and so is a device's name."""
    endpoint, location, host, port, identity, lifetime, version, binding, queue_mode, parameters, *times = row
    told = sys.intern(version), sys.intern(binding), queue_mode, sys.intern(parameters)
    return RegistrationRecord(sys.intern(endpoint), location, host, port, identity, lifetime, *told, *times)
