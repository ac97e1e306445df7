"""What becomes of a write is told at once, and can be awaited."""

import asyncio

import pytest

from lwm2m_ml.store.commit import Commit, all_of
from lwm2m_ml.store.errors import StoreError


def test_listeners_are_told_when_it_is_known_and_afterwards() -> None:
    commit = Commit()
    told: list[Exception | None] = []
    commit.then(told.append)
    assert told == []
    commit.settle()
    commit.then(told.append)
    assert told == [None, None]


async def test_waiting_raises_what_went_wrong() -> None:
    commit = Commit()
    asyncio.get_running_loop().call_soon(commit.settle, StoreError("The disk is full"))
    with pytest.raises(StoreError, match="full"):
        await commit
    with pytest.raises(StoreError, match="full"):
        await commit


async def test_who_gave_up_waiting_is_not_told() -> None:
    commit = Commit()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await commit
    commit.settle()
    await commit


def test_a_listener_that_fails_hurts_no_other() -> None:
    commit = Commit()
    told: list[Exception | None] = []
    commit.then(lambda _error: told.remove(None))
    commit.then(told.append)
    commit.settle()
    assert told == [None]


def test_several_are_done_when_the_last_is() -> None:
    commits = [Commit(), Commit()]
    together = all_of(commits)
    commits[1].settle()
    assert not together.settled
    commits[0].settle()
    assert together.settled


def test_several_fail_with_the_first_that_fails() -> None:
    commits = [Commit(), Commit(), Commit()]
    told: list[Exception | None] = []
    all_of(commits).then(told.append)
    first, second = StoreError("first"), StoreError("second")
    commits[1].settle(first)
    commits[2].settle(second)
    commits[0].settle()
    assert told == [first]


def test_one_stands_for_itself() -> None:
    commit = Commit()
    assert all_of([commit]) is commit
