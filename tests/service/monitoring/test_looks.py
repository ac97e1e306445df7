"""Results that wait for a look into the store: shared looks, order, and what becomes of those that fail."""

import asyncio
from collections.abc import Sequence

import pytest

from lwm2m_ml.service.monitoring.looks import DEVICES_PER_LOOK, Looks, Results
from lwm2m_ml.service.monitoring.results import InferenceResult
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.errors import StoreClosed


class Store:
    """Says what it was asked for, and keeps what it gets; a look ends when it is let."""

    def __init__(self) -> None:
        self.looks: list[int] = []
        self.kept: list[tuple[str, int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.broken: Exception | None = None
        self.refused = ""
        self.commit: Commit | None = None
        self.reached = asyncio.Event()

    async def learn(self, messages: Sequence[Results]) -> None:
        self.looks.append(len(messages))
        await self.open.wait()
        if self.broken is not None:
            raise self.broken

    def keep(self, results: Results) -> Commit | None:
        if results[0].endpoint == self.refused:
            raise StoreClosed
        self.reached.set()
        self.kept += [(one.endpoint, one.number) for one in results]
        return self.commit


def keep(looks: Looks, endpoint: str, number: int) -> Commit:
    return looks.keep(endpoint, [InferenceResult(endpoint, number, 1)])


@pytest.fixture
def store() -> Store:
    return Store()


async def test_many_devices_share_few_looks_and_none_is_left_out(store: Store) -> None:
    looks = Looks(store.learn, store.keep)
    names = [f"device-{number}" for number in range(2 * DEVICES_PER_LOOK + 1)]
    await asyncio.gather(*(keep(looks, name, 1) for name in names))
    assert store.looks == [DEVICES_PER_LOOK, DEVICES_PER_LOOK, 1]
    assert [name for name, _ in store.kept] == names
    assert not any(name in looks for name in names)


async def test_what_comes_during_a_look_is_kept_after_what_waits_for_it(store: Store) -> None:
    store.open.clear()
    looks = Looks(store.learn, store.keep)
    commits = [keep(looks, "device", 1), keep(looks, "device", 2)]
    await asyncio.sleep(0)
    assert store.looks == [2]
    assert "device" in looks
    commits += [keep(looks, "device", 3), keep(looks, "another", 1)]
    store.open.set()
    await asyncio.gather(*commits)
    assert store.kept == [("device", 1), ("device", 2), ("device", 3), ("another", 1)]
    assert store.looks == [2, 2]


async def test_a_look_that_fails_is_told_to_all_who_wait_and_the_next_one_is_tried(store: Store) -> None:
    store.broken = StoreClosed()
    looks = Looks(store.learn, store.keep)
    failed = await asyncio.gather(keep(looks, "one", 1), keep(looks, "two", 1), return_exceptions=True)
    assert failed[0] is failed[1] is store.broken
    store.broken = None
    await keep(looks, "one", 1)
    assert store.kept == [("one", 1)]


async def test_a_message_that_cannot_be_kept_hurts_no_other(store: Store) -> None:
    store.refused = "one"
    looks = Looks(store.learn, store.keep)
    one, two = keep(looks, "one", 1), keep(looks, "two", 1)
    with pytest.raises(StoreClosed):
        await one
    await two
    assert store.kept == [("two", 1)]


async def test_a_message_is_kept_when_it_is_written(store: Store) -> None:
    store.commit = Commit()
    looks = Looks(store.learn, store.keep)
    commit = keep(looks, "device", 1)
    await asyncio.wait_for(store.reached.wait(), 10)
    assert not commit.settled
    store.commit.settle()
    assert commit.settled


async def test_looks_that_are_given_up_answer_nobody(store: Store) -> None:
    store.open.clear()
    looks = Looks(store.learn, store.keep)
    commit = keep(looks, "device", 1)
    await asyncio.sleep(0)
    await looks.stop()
    assert not commit.settled
    assert store.kept == []
    await looks.stop()
