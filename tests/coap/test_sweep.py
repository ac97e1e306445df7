"""Answers of silent peers are forgotten, some peers at a time."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from lwm2m_ml.coap import sweep
from lwm2m_ml.coap.deduplication import AnswerRing
from lwm2m_ml.coap.sweep import Sweep


def peers(count: int, *, answered_at: float) -> list[Any]:
    found = [SimpleNamespace(answers=AnswerRing(4, 100.0)) for _ in range(count)]
    for one in found:
        one.answers.remember(hash(b"request"), b"answer", answered_at)
    return found


async def test_answers_that_are_too_old_are_forgotten_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "PAUSE", 0.0)
    monkeypatch.setattr(sweep, "PEERS_AT_ONCE", 2)
    now = asyncio.get_running_loop().time()
    silent, heard = peers(5, answered_at=now - 1_000.0), peers(5, answered_at=now)
    looks, third = 0, asyncio.Event()

    def all_peers() -> list[Any]:
        nonlocal looks
        looks += 1
        if looks == 3:
            third.set()
        return [*silent, *heard]

    looking = Sweep(all_peers)
    looking.start()
    await asyncio.wait_for(third.wait(), 30)
    looking.stop()
    assert [len(one.answers) for one in silent] == [0] * 5
    assert [len(one.answers) for one in heard] == [1] * 5
    await asyncio.sleep(0.01)
    assert looks == 3


async def test_a_sweep_that_was_never_started_can_be_stopped() -> None:
    Sweep(list).stop()
