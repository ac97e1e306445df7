"""The audit log: who did what to which device, in the order it was done."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One act; `target` is the path of the request, `status` the HTTP status of its answer. The store gives the id."""

    caller: str
    scope: str
    address: str
    action: str
    endpoint: str | None
    target: str
    status: int
    request_id: str
    at: float = field(default_factory=now)
    id: int = 0


class AuditRepository:
    """An append-only log."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = insert(tables.audit_entries)

    def add(self, record: AuditRecord) -> asyncio.Future[None]:
        """Append an entry."""
        row = row_of(record)
        del row["id"]
        return self._database.writer.submit(self._insert, row)

    async def newest(
        self, limit: int, *, before: int | None = None, endpoint: str | None = None, caller: str | None = None
    ) -> tuple[AuditRecord, ...]:
        """Entries, newest first, from before an id on; of one device or one caller when asked."""
        columns = tables.audit_entries.c
        statement = select(tables.audit_entries).order_by(columns.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(columns.id < before)
        if endpoint is not None:
            statement = statement.where(columns.endpoint == endpoint)
        if caller is not None:
            statement = statement.where(columns.caller == caller)
        return tuple(AuditRecord(**row._mapping) for row in await self._database.rows(statement))

    def delete_before(self, at: float) -> asyncio.Future[None]:
        """Forget entries from before a time."""
        return self._database.writer.submit(delete(tables.audit_entries).where(tables.audit_entries.c.at < at))
