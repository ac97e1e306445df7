"""Feedback: what a result should have been."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import Integer, cast, func, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """One result by its number and series, the class the model decided for (-1: none) and the true one."""

    endpoint: str
    model: str
    version: str
    number: int
    decided: int
    true_class: int
    given_by: str
    series: int = 0
    given_at: float = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Agreements:
    """How many results of a model got feedback, and how many of them were right."""

    model: str
    version: str
    judged: int
    right: int


class FeedbackRepository:
    """Feedback by result; a later one about the same result replaces the earlier."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.feedback)

    def put(self, record: FeedbackRecord) -> asyncio.Future[None]:
        """Store feedback."""
        return self._database.writer.submit(self._put, row_of(record))

    async def of_endpoint(self, endpoint: str, model: str, version: str) -> dict[tuple[int, int], int]:
        """The true classes of a device's results, by series and number."""
        columns = tables.feedback.c
        statement = select(columns.series, columns.number, columns.true_class).where(
            columns.endpoint == endpoint, columns.model == model, columns.version == version
        )
        return {(row.series, row.number): row.true_class for row in await self._database.rows(statement)}

    async def agreements(
        self, *, model: str | None = None, endpoint: str | None = None, since: float = 0.0
    ) -> tuple[Agreements, ...]:
        """How often feedback agreed, per model and version."""
        columns = tables.feedback.c
        right = func.sum(cast(columns.decided == columns.true_class, Integer))
        statement = (
            select(columns.model, columns.version, func.count().label("judged"), right.label("right"))
            .where(columns.given_at >= since)
            .group_by(columns.model, columns.version)
            .order_by(columns.model, columns.version)
        )
        if model is not None:
            statement = statement.where(columns.model == model)
        if endpoint is not None:
            statement = statement.where(columns.endpoint == endpoint)
        rows = await self._database.rows(statement)
        return tuple(Agreements(row.model, row.version, int(row.judged), int(row.right)) for row in rows)
