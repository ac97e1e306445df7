"""Observations that outlive the process."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class ObservationRecord:
    """What is observed of a device: one path, or several with one `composite` observation, separated by spaces."""

    endpoint: str
    paths: str
    composite: bool = False
    created_at: float = field(default_factory=now)


class ObservationRepository:
    """Observations by endpoint and paths."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = tables.observations
        self._put = database.insert_new(table)
        self._delete = delete(table).where(
            table.c.endpoint == bindparam("of_endpoint"),
            table.c.paths == bindparam("of_paths"),
            table.c.composite == bindparam("is_composite"),
        )

    def put(self, record: ObservationRecord) -> asyncio.Future[None]:
        """Store an observation, if it is not there."""
        return self._database.writer.submit(self._put, row_of(record))

    def delete(self, endpoint: str, paths: str, *, composite: bool) -> asyncio.Future[None]:
        """Forget an observation."""
        parameters = {"of_endpoint": endpoint, "of_paths": paths, "is_composite": composite}
        return self._database.writer.submit(self._delete, parameters)

    async def all(self) -> tuple[ObservationRecord, ...]:
        """Every observation, by endpoint and age."""
        columns = tables.observations.c
        statement = select(tables.observations).order_by(columns.endpoint, columns.created_at, columns.paths)
        return tuple(ObservationRecord(**row._mapping) for row in await self._database.rows(statement))
