"""Inference results as devices reported them."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.row_statement import RowStatement


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """One inference; confidence and scores in percent, latency in milliseconds, energy in joules.

    `lost` is how many results its number shows to be missing before it, -1 when it was missed and came late after all.
    Numbers count within a `series`, 0 where the device tells none. `id` is given by the store.
    """

    endpoint: str
    model: str
    number: int
    class_index: int
    label: str = ""
    confidence: float | None = None
    scores: tuple[float, ...] = ()
    latency: float | None = None
    version: str = ""
    slot: int | None = None
    lost: int = 0
    energy: float | None = None
    series: int = 0
    received_at: float = field(default_factory=now)
    id: int = 0


class ResultRepository:
    """An append-only series per endpoint and slot."""

    def __init__(self, database: Database) -> None:
        self._database = database
        columns = (one.name for one in fields(ResultRecord) if one.name != "id")
        self._insert = RowStatement(insert(tables.results), columns)

    def add(self, record: ResultRecord) -> Commit:
        """Append a result."""
        return self._database.writer.submit_rows(self._insert, self._insert.row_of(record))

    def add_all(self, records: Sequence[ResultRecord]) -> Commit:
        """Append results, all of them or none."""
        return self._database.writer.submit_rows(self._insert, *map(self._insert.row_of, records))

    async def of_endpoint(
        self, endpoint: str, *, after_id: int = 0, model: str | None = None, limit: int = 10_000
    ) -> tuple[ResultRecord, ...]:
        """The results of a device in order of arrival, from after `after_id` on, at most `limit`."""
        columns = tables.results.c
        statement = (
            select(tables.results)
            .where(columns.endpoint == endpoint, columns.id > after_id)
            .order_by(columns.id)
            .limit(limit)
        )
        if model is not None:
            statement = statement.where(columns.model == model)
        return tuple(_record(row) for row in await self._database.rows(statement))

    async def latest(self, endpoint: str, limit: int) -> tuple[ResultRecord, ...]:
        """The results of a device that came last, at most `limit`, in order of arrival."""
        columns = tables.results.c
        statement = select(tables.results).where(columns.endpoint == endpoint).order_by(columns.id.desc()).limit(limit)
        return tuple(_record(row) for row in reversed(await self._database.rows(statement)))

    async def newest(
        self, endpoint: str, *, number: int | None = None, series: int | None = None
    ) -> ResultRecord | None:
        """The result of a device that came last, with a number or of a series when given; None when there is none."""
        columns = tables.results.c
        statement = select(tables.results).where(columns.endpoint == endpoint).order_by(columns.id.desc()).limit(1)
        if number is not None:
            statement = statement.where(columns.number == number)
        if series is not None:
            statement = statement.where(columns.series == series)
        row = await self._database.row(statement)
        return None if row is None else _record(row)

    async def highest_numbers(self, endpoints: Collection[str]) -> dict[tuple[str, int | None], tuple[int, int]]:
        """Series and number of the newest result of each slot of some devices, by endpoint and slot."""
        columns = tables.results.c
        slots = columns.endpoint, columns.slot
        newest = select(func.max(columns.id)).where(columns.endpoint.in_(endpoints)).group_by(*slots)
        statement = select(*slots, columns.series, columns.number).where(columns.id.in_(newest))
        return {(row.endpoint, row.slot): (row.series, row.number) for row in await self._database.rows(statement)}

    async def count(self, endpoint: str) -> int:
        """How many results of a device are stored."""
        statement = select(func.count()).select_from(tables.results).where(tables.results.c.endpoint == endpoint)
        row = await self._database.row(statement)
        return 0 if row is None else int(row[0])

    async def oldest_since(self, moment: float) -> float | None:
        """When the first result from `moment` on arrived, both Unix seconds; None when there is none."""
        arrived = tables.results.c.received_at
        row = await self._database.row(select(func.min(arrived)).where(arrived >= moment))
        return None if row is None or row[0] is None else float(row[0])

    def delete_before(self, received_before: float) -> asyncio.Future[None]:
        """Forget results that arrived before a time."""
        old = tables.results.c.received_at < received_before
        return self._database.writer.submit(delete(tables.results).where(old))


def _record(row: Row[Any]) -> ResultRecord:
    return ResultRecord(**{**row._mapping, "scores": tuple(row.scores)})
