"""Observations that outlive the process."""

import sys
from dataclasses import dataclass, field, fields

from sqlalchemy import bindparam, delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.row_statement import RowStatement


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
        self._put = RowStatement(database.insert_new(table), (one.name for one in fields(ObservationRecord)))
        keys = [column.name for column in table.primary_key]
        self._delete = RowStatement(delete(table).where(*(table.c[key] == bindparam(key) for key in keys)), keys)

    def put(self, record: ObservationRecord) -> Commit:
        """Store an observation, if it is not there."""
        return self._database.writer.submit_rows(self._put, self._put.row_of(record))

    def delete(self, endpoint: str, paths: str, *, composite: bool) -> Commit:
        """Forget an observation."""
        return self._database.writer.submit_rows(self._delete, (endpoint, paths, composite))

    async def of_endpoint(self, endpoint: str) -> tuple[ObservationRecord, ...]:
        """What is observed of a device, by age."""
        columns = tables.observations.c
        statement = select(tables.observations).where(columns.endpoint == endpoint)
        rows = await self._database.rows(statement.order_by(columns.created_at, columns.paths))
        return tuple(ObservationRecord(**row._mapping) for row in rows)

    async def all(self) -> tuple[ObservationRecord, ...]:
        """Every observation, by endpoint and age."""
        columns = tables.observations.c
        wanted = (columns[one.name] for one in fields(ObservationRecord))
        statement = select(*wanted).order_by(columns.endpoint, columns.created_at, columns.paths)
        batches = self._database.batches(statement)
        return tuple([_record(*row) async for rows in batches for row in rows])


def _record(endpoint: str, paths: str, composite: bool, created_at: float) -> ObservationRecord:
    """The record of a row; names and paths that occur often are held once."""
    return ObservationRecord(sys.intern(endpoint), sys.intern(paths), composite, created_at)
