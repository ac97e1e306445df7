"""A share of what the fuzzer does (`make fuzz-dtls`), by chance and without atheris."""

from __future__ import annotations

import importlib.util
import random
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SEEDS = range(4)
PLAYED_PER_SEED = 1_000


@pytest.fixture(scope="module")
def mutations() -> ModuleType:
    name = "dtls_mutations"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "mutations.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def whole(mutations: ModuleType) -> Iterator[Any]:
    whole = mutations.Whole()
    yield whole
    whole.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_changed_on_the_way_nothing_bad_happens(mutations: ModuleType, whole: Any, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(PLAYED_PER_SEED):
        mutations.play(chance.randbytes(chance.randrange(4, 200)), whole)


def test_it_leaves_nothing_behind(mutations: ModuleType, whole: Any) -> None:
    chance = random.Random(99)

    def play(count: int) -> None:
        for _ in range(count):
            mutations.play(chance.randbytes(chance.randrange(4, 120)), whole)

    play(500)
    tracemalloc.start()
    play(500)
    before, _ = tracemalloc.get_traced_memory()
    play(1_000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 200_000


def test_without_any_change_everything_goes_well(mutations: ModuleType) -> None:
    """The invariants are asked of real handshakes and sessions: they must not hold for want of any."""
    for suite in (mutations.PSK, mutations.ECDHE_PSK, mutations.ECDSA):
        pair = mutations.Pair(mutations.ClientHandshake(mutations.client_policy(suite)))
        pair.exchange(lambda datagram: datagram, 0)
        assert pair.client.complete
        assert pair.server is not None
        assert pair.server.complete


def test_a_side_that_accepts_anything_would_be_found(mutations: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take out the check of the tag: the game must notice."""
    monkeypatch.setattr(mutations.Session, "open", lambda _self, record: (record.type, record.content[8:-8], True))
    with pytest.raises(AssertionError, match="opened what was not sealed"):
        mutations.sealed(mutations.Choices(random.Random(1).randbytes(80)))
