"""Federated runs: each with its rounds, what devices answered in them, and its story."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class FederatedRunRecord:
    """One run; `weights` is the digest of the artefact that holds its parameters and the server's velocity."""

    id: str
    model: str
    version: str
    variant: str
    state: str
    parameters: int
    weights: str
    name: str = ""
    selection: str = ""
    endpoints: Sequence[str] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)
    round: int = 0
    void_rounds: int = 0
    reason: str = ""
    created_by: str = ""
    created_at: float = field(default_factory=now)
    since: float = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class FederatedRoundRecord:
    """One round that is over. Bytes are those of UDP payloads, joules what devices told."""

    run_id: str
    number: int
    counted: bool
    opened_at: float
    closed_at: float
    asked: int
    accepted: int
    rejected: int
    weights: str
    examples: int = 0
    loss: float | None = None
    step_norm: float | None = None
    epsilon: float | None = None
    bytes_down: int = 0
    bytes_up: int = 0
    instructions: int = 0
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class FederatedAnswerRecord:
    """What became of a device in a round: one row for each outcome, so that a rejection hides no update that counts."""

    run_id: str
    round: int
    endpoint: str
    outcome: str
    reason: str = ""
    at: float = field(default_factory=now)
    examples: int = 0
    loss: float | None = None
    norm: float | None = None
    bytes_down: int = 0
    bytes_up: int = 0
    instructions: int | None = None
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class FederatedNoteRecord:
    """One line of a run's story. `id` is given by the store."""

    run_id: str
    who: str
    text: str
    at: float = field(default_factory=now)
    id: int = 0


class FederatedRepository:
    """Runs by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put_run = database.upsert(tables.federated_runs, keep=("created_at",))
        self._put_round = database.upsert(tables.federated_rounds)
        self._put_answer = database.upsert(tables.federated_answers)
        self._note = insert(tables.federated_notes)

    def put(self, record: FederatedRunRecord) -> asyncio.Future[None]:
        """Store a run as it stands."""
        return self._database.writer.submit(self._put_run, row_of(record))

    def close_round(self, run: FederatedRunRecord, closed: FederatedRoundRecord) -> asyncio.Future[None]:
        """Store a run together with the round that brought it there: both or neither."""
        return self._database.writer.submit_all([(self._put_run, row_of(run)), (self._put_round, row_of(closed))])

    def answer(self, record: FederatedAnswerRecord) -> asyncio.Future[None]:
        """Store what became of a device in a round."""
        return self._database.writer.submit(self._put_answer, row_of(record))

    def note(self, record: FederatedNoteRecord) -> asyncio.Future[None]:
        """Append a line to a run's story."""
        row = row_of(record)
        del row["id"]
        return self._database.writer.submit(self._note, row)

    async def get(self, run_id: str) -> FederatedRunRecord | None:
        """One run, or None."""
        row = await self._database.row(select(tables.federated_runs).where(tables.federated_runs.c.id == run_id))
        return None if row is None else FederatedRunRecord(**row._mapping)

    async def all(self) -> tuple[FederatedRunRecord, ...]:
        """Every run, oldest first."""
        columns = tables.federated_runs.c
        statement = select(tables.federated_runs).order_by(columns.created_at, columns.id)
        return tuple(FederatedRunRecord(**row._mapping) for row in await self._database.rows(statement))

    async def rounds(self, run_id: str, *, after: int = 0) -> tuple[FederatedRoundRecord, ...]:
        """The rounds of a run that are over, from after a number on."""
        columns = tables.federated_rounds.c
        chosen = select(tables.federated_rounds).where(columns.run_id == run_id, columns.number > after)
        rows = await self._database.rows(chosen.order_by(columns.number))
        return tuple(FederatedRoundRecord(**row._mapping) for row in rows)

    async def answers(self, run_id: str, number: int) -> Sequence[FederatedAnswerRecord]:
        """What became of the devices of a round, by endpoint."""
        columns = tables.federated_answers.c
        chosen = select(tables.federated_answers).where(columns.run_id == run_id, columns.round == number)
        rows = await self._database.rows(chosen.order_by(columns.endpoint, columns.outcome))
        return tuple(FederatedAnswerRecord(**row._mapping) for row in rows)

    async def notes(self, run_id: str, *, after: int = 0, limit: int = 10_000) -> tuple[FederatedNoteRecord, ...]:
        """The story of a run from after a line's id on, oldest line first."""
        columns = tables.federated_notes.c
        chosen = select(tables.federated_notes).where(columns.run_id == run_id, columns.id > after)
        rows = await self._database.rows(chosen.order_by(columns.id).limit(limit))
        return tuple(FederatedNoteRecord(**row._mapping) for row in rows)
