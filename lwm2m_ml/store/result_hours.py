"""Results summed up by hour, model, device and class: small enough to be kept for years."""

import asyncio
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Select, Subquery, case, cast, delete, func, literal, select, true, union_all

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database

HOUR = 3600
FRESH_HOURS = 6
"""Hours whose sums may be made on the way, at most; older ones that are not stored are not shown."""


@dataclass(frozen=True, slots=True)
class ClassHour:
    """The results of one class (-1: no decision) in the hour that begins at `hour`, Unix seconds.

    Mean confidence in percent, mean and largest latency in milliseconds, mean energy in joules; None: nobody told.
    """

    hour: int
    model: str
    version: str
    class_index: int
    results: int
    lost: int
    confidence: float | None
    latency: float | None
    largest_latency: float | None
    energy: float | None


class ResultHourRepository:
    """Sums of whole hours are stored; those of the hours since are made of the results when somebody asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest_hour(self) -> int | None:
        """The newest hour that is stored."""
        row = await self._database.row(select(func.max(tables.result_hours.c.hour)))
        return None if row is None or row[0] is None else int(row[0])

    def sum_up(self, hour: int) -> asyncio.Future[None]:
        """Store the sums of the hour that begins at `hour`; those that are there already are made anew."""
        insert = self._database.insert(tables.result_hours).from_select(_COLUMNS, _sums(hour).where(true()))
        keys = [column.name for column in tables.result_hours.primary_key]
        replaced = {name: insert.excluded[name] for name in _FIGURES}
        return self._database.writer.submit(insert.on_conflict_do_update(index_elements=keys, set_=replaced))

    async def series(
        self,
        begin: int,
        end: int,
        *,
        model: str | None = None,
        version: str | None = None,
        endpoint: str | None = None,
    ) -> tuple[ClassHour, ...]:
        """The sums over all devices that are asked for, hour by hour and class by class."""
        newest = await self.newest_hour()
        last = (end - 1) // HOUR * HOUR
        fresh = max(begin // HOUR * HOUR, last - (FRESH_HOURS - 1) * HOUR, 0 if newest is None else newest + HOUR)
        hours = tables.result_hours.c
        stored = select(*(hours[name] for name in _COLUMNS)).where(hours.hour >= begin, hours.hour < min(fresh, end))
        parts = union_all(stored, *(_sums(hour) for hour in range(fresh, last + 1, HOUR))).subquery()
        statement = _over_devices(parts)
        for name, wanted in (("model", model), ("version", version), ("endpoint", endpoint)):
            if wanted is not None:
                statement = statement.where(parts.c[name] == wanted)
        return tuple(ClassHour(**row._mapping) for row in await self._database.rows(statement))

    def delete_before(self, hour: int) -> asyncio.Future[None]:
        """Forget hours before one."""
        table = tables.result_hours
        return self._database.writer.submit(delete(table).where(table.c.hour < hour))


_BY = ("model", "version", "endpoint", "class_index")
_FIGURES = ("results", "lost", "confidence", "latency", "largest_latency", "energy")
_MEANS = ("confidence", "latency", "energy")
_COLUMNS = ("hour", *_BY, *_FIGURES)


def _sums(hour: int) -> Select[Any]:
    """The sums of one hour, from the results themselves."""
    columns = tables.results.c
    by = [columns[name] for name in _BY]
    return (
        select(
            cast(literal(hour), BigInteger).label("hour"),
            *by,
            func.count().label("results"),
            func.sum(columns.lost).label("lost"),
            func.avg(columns.confidence).label("confidence"),
            func.avg(columns.latency).label("latency"),
            func.max(columns.latency).label("largest_latency"),
            func.avg(columns.energy).label("energy"),
        )
        .where(columns.received_at >= hour, columns.received_at < hour + HOUR)
        .group_by(*by)
    )


def _over_devices(parts: Subquery) -> Select[Any]:
    """Add devices up; a mean of means is weighted by results, where there is one."""
    columns = parts.c
    means = [_weighted_mean(parts, name) for name in _MEANS]
    by = (columns.hour, columns.model, columns.version, columns.class_index)
    return (
        select(
            *by,
            func.sum(columns.results).label("results"),
            func.sum(columns.lost).label("lost"),
            func.max(columns.largest_latency).label("largest_latency"),
            *means,
        )
        .group_by(*by)
        .order_by(*by)
    )


def _weighted_mean(parts: Subquery, name: str) -> Any:
    mean, results = parts.c[name], parts.c.results
    return (func.sum(mean * results) / func.sum(case((mean.is_not(None), results)))).label(name)
