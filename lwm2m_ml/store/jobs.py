"""Jobs: long work that an operator started, and what became of it."""

import asyncio
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job; `runner` names the process that does it, `result` is a JSON document, times are Unix seconds."""

    id: str
    kind: str
    subject: str
    caller: str
    state: str
    created_at: float
    result: Any = None
    error: str = ""
    ended_at: float | None = None
    runner: str = ""


class JobRepository:
    """Jobs by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.jobs, keep=("created_at", "runner"))

    def put(self, record: JobRecord) -> asyncio.Future[None]:
        """Store a job as it stands."""
        return self._database.writer.submit(self._put, row_of(record))

    async def get(self, job_id: str) -> JobRecord | None:
        """One job, or None."""
        found = await self._find(select(tables.jobs).where(tables.jobs.c.id == job_id))
        return found[0] if found else None

    async def newest(self, limit: int, *, before: tuple[float, str] | None = None) -> tuple[JobRecord, ...]:
        """Jobs, newest first, from before a creation time and id on."""
        order = tuple_(tables.jobs.c.created_at, tables.jobs.c.id)
        statement = select(tables.jobs)
        if before is not None:
            statement = statement.where(order < before)
        columns = tables.jobs.c
        return await self._find(statement.order_by(columns.created_at.desc(), columns.id.desc()).limit(limit))

    async def unfinished(self) -> tuple[JobRecord, ...]:
        """Every job without an end."""
        return await self._find(select(tables.jobs).where(tables.jobs.c.ended_at.is_(None)))

    def end(self, job_id: str, state: str, error: str, at: float) -> asyncio.Future[bool]:
        """End a job that has not ended; the future tells whether it had not."""
        columns = tables.jobs.c
        ended = (
            update(tables.jobs)
            .where(columns.id == job_id, columns.ended_at.is_(None))
            .values(state=state, error=error, ended_at=at)
            .returning(columns.id)
        )

        async def end(connection: AsyncConnection) -> bool:
            return (await connection.execute(ended)).first() is not None

        return self._database.writer.run(end)

    def delete_ended(self, before: float) -> asyncio.Future[None]:
        """Forget jobs that ended before a time."""
        return self._database.writer.submit(delete(tables.jobs).where(tables.jobs.c.ended_at < before))

    async def _find(self, statement: Any) -> tuple[JobRecord, ...]:
        return tuple(JobRecord(**row._mapping) for row in await self._database.rows(statement))
