"""Federated runs in the store, and back."""

import dataclasses
from typing import Any

from lwm2m_ml.service.campaigns.states import CampaignState
from lwm2m_ml.service.federated.plan import FederatedPlan
from lwm2m_ml.service.federated.run import Answer, FederatedNote, FederatedRound, FederatedRun, Outcome
from lwm2m_ml.store.federated import (
    FederatedAnswerRecord,
    FederatedNoteRecord,
    FederatedRoundRecord,
    FederatedRunRecord,
)
from lwm2m_ml.store.store import Store


class FederatedRecords:
    """Reads and writes runs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, run: FederatedRun) -> None:
        """Store a run as it stands."""
        await self._store.federated.put(_record(run))

    async def close_round(self, run: FederatedRun, closed: FederatedRound) -> None:
        """Store a run with the round that brought it there."""
        round_record = FederatedRoundRecord(run.id, **_fields(closed))
        await self._store.federated.close_round(_record(run), round_record)

    async def answer(self, run_id: str, number: int, answer: Answer) -> None:
        """Store what became of a device in a round."""
        facts = _fields(answer) | {"outcome": str(answer.outcome)}
        await self._store.federated.answer(FederatedAnswerRecord(run_id, number, **facts))

    async def note(self, run_id: str, note: FederatedNote) -> None:
        """Append a line to a run's story."""
        await self._store.federated.note(FederatedNoteRecord(run_id, note.who, note.text, note.at))

    async def get(self, run_id: str) -> FederatedRun | None:
        """Return a run, or None."""
        record = await self._store.federated.get(run_id)
        return None if record is None else _run(record)

    async def all(self) -> tuple[FederatedRun, ...]:
        """Return every run, oldest first."""
        return tuple(map(_run, await self._store.federated.all()))

    async def rounds(self, run_id: str, *, after: int = 0) -> tuple[FederatedRound, ...]:
        """Return the rounds of a run that are over."""
        found = await self._store.federated.rounds(run_id, after=after)
        return tuple(FederatedRound(**_without_run(record)) for record in found)

    async def answers(self, run_id: str, number: int) -> tuple[Answer, ...]:
        """Return what became of the devices of a round."""
        found = await self._store.federated.answers(run_id, number)
        return tuple(
            Answer(**{**_without_run(record, "round"), "outcome": Outcome(record.outcome)}) for record in found
        )

    async def notes(self, run_id: str, *, after: int = 0) -> tuple[FederatedNote, ...]:
        """Return the story of a run from after a line's number on."""
        records = await self._store.federated.notes(run_id, after=after)
        return tuple(FederatedNote(one.at, one.who, one.text, one.id) for one in records)

    async def keep_weights(self, content: bytes) -> str:
        """Store parameters and velocity; returns their digest once they are on disk."""
        return await self._store.artefacts.put(content)

    async def weights(self, digest: str) -> bytes:
        """Return what was stored under a digest; empty when it is gone."""
        return await self._store.artefacts.get(digest) or b""


def _fields(fact: FederatedRound | Answer) -> dict[str, Any]:
    return {field.name: getattr(fact, field.name) for field in dataclasses.fields(fact)}


def _without_run(record: FederatedRoundRecord | FederatedAnswerRecord, *more: str) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(record)} - {"run_id", *more}
    return {name: getattr(record, name) for name in names}


def _record(run: FederatedRun) -> FederatedRunRecord:
    return FederatedRunRecord(
        id=run.id,
        model=run.model,
        version=run.version,
        variant=run.variant,
        state=str(run.state),
        parameters=run.parameters,
        weights=run.weights,
        name=run.name,
        selection=run.selection,
        endpoints=list(run.endpoints),
        plan=run.plan.to_json(),
        round=run.round,
        void_rounds=run.void_rounds,
        reason=run.reason,
        created_by=run.created_by,
        created_at=run.created_at,
        since=run.since,
    )


def _run(record: FederatedRunRecord) -> FederatedRun:
    return FederatedRun(
        id=record.id,
        model=record.model,
        version=record.version,
        variant=record.variant,
        plan=FederatedPlan.from_json(record.plan),
        parameters=record.parameters,
        weights=record.weights,
        name=record.name,
        selection=record.selection,
        endpoints=tuple(record.endpoints),
        state=CampaignState(record.state),
        reason=record.reason,
        round=record.round,
        void_rounds=record.void_rounds,
        created_at=record.created_at,
        created_by=record.created_by,
        since=record.since,
    )
