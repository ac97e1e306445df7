"""Federated runs: stored whole, moved on with their rounds, told line by line."""

from dataclasses import replace

import pytest

from lwm2m_ml.store import RecordConflict, Store
from lwm2m_ml.store.federated import (
    FederatedAnswerRecord,
    FederatedNoteRecord,
    FederatedRoundRecord,
    FederatedRunRecord,
)

RUN = FederatedRunRecord("r1", "digits", "1.0.0", "small", "running", 970, "aa" * 32, created_at=1.0, since=1.0)
ROUND = FederatedRoundRecord("r1", 1, True, 1.0, 2.0, 20, 18, 1, "bb" * 32, epsilon=0.5, bytes_down=1 << 40)


async def test_a_run_moves_on_with_its_round_and_keeps_its_first_time(store: Store) -> None:
    store.federated.put(replace(RUN, endpoints=["a", "b"], plan={"rounds": 3}))
    later = replace(RUN, endpoints=["a", "b"], plan={"rounds": 3}, round=1, weights="bb" * 32, since=2.0)
    await store.federated.close_round(replace(later, created_at=9.0), ROUND)
    assert await store.federated.get("r1") == later
    assert await store.federated.all() == (later,)
    assert await store.federated.rounds("r1") == (ROUND,)
    assert await store.federated.rounds("r1", after=1) == ()
    assert await store.federated.get("r2") is None


async def test_a_rejection_does_not_hide_what_was_accepted(store: Store) -> None:
    store.federated.put(RUN)
    accepted = FederatedAnswerRecord("r1", 1, "ep", "accepted", at=1.0, examples=5, loss=0.5, instructions=7)
    rejected = FederatedAnswerRecord("r1", 1, "ep", "rejected", "a repetition", at=2.0)
    await store.federated.answer(accepted)
    await store.federated.answer(rejected)
    await store.federated.answer(replace(rejected, at=3.0))
    assert await store.federated.answers("r1", 1) == (accepted, replace(rejected, at=3.0))
    assert await store.federated.answers("r1", 2) == ()


async def test_a_story_is_told_in_order_from_a_line_on(store: Store) -> None:
    store.federated.put(RUN)
    for text in ("started", "round 1", "round 2"):
        await store.federated.note(FederatedNoteRecord("r1", "service", text, at=1.0))
    lines = await store.federated.notes("r1")
    assert [line.text for line in lines] == ["started", "round 1", "round 2"]
    assert await store.federated.notes("r1", after=lines[0].id) == lines[1:]


async def test_what_belongs_to_no_run_is_refused(store: Store) -> None:
    with pytest.raises(RecordConflict):
        await store.federated.answer(FederatedAnswerRecord("nobody", 1, "ep", "accepted"))
