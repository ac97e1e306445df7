"""Alarms and jobs of one node at the other: known, told as they change, commanded, and ended when a node is gone."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lwm2m_ml.bus import NotOwner
from lwm2m_ml.errors import ConflictError, UnavailableError
from lwm2m_ml.service.event_feed import EventFeed, FeedEvent
from lwm2m_ml.service.jobs import INTERRUPTED, Jobs, JobState, Progress
from lwm2m_ml.service.monitoring.alarms import DRIFT, Alarms, Subject
from lwm2m_ml.store import Store
from lwm2m_ml.store.alarms import AlarmRecord
from lwm2m_ml.store.changes import StoreChanged
from lwm2m_ml_simulator.cluster.nats import nats
from tests.cluster.conftest import Node, node_at

PATIENCE = 60.0
SHORT_LEASE = 4.0


@dataclass
class Desk:
    """What an operator sees at a node."""

    alarms: Alarms
    jobs: Jobs
    feed: EventFeed
    told: list[FeedEvent]

    async def hears(self, kind: str, **data: object) -> None:
        """Wait until this was told."""

        async def told() -> bool:
            return any(one.type == kind and data.items() <= dict(one.data).items() for one in self.told)

        await until(told)


@asynccontextmanager
async def desk_at(node: Node) -> AsyncIterator[Desk]:
    desk = Desk(
        Alarms(node.store.alarms, node.bus),
        Jobs(node.store.jobs, node.bus, node.cluster.ownership),
        EventFeed(node.bus),
        [],
    )
    await desk.alarms.start()
    await desk.jobs.start()
    desk.feed.start()
    following = asyncio.create_task(_follow(desk))
    await asyncio.sleep(0)
    yield desk
    desk.feed.close()
    await following
    await desk.jobs.stop()


async def _follow(desk: Desk) -> None:
    async for event in desk.feed.follow():
        desk.told.append(event)


@pytest.fixture
async def desks(pair: tuple[Node, Node]) -> AsyncIterator[tuple[Desk, Desk]]:
    async with desk_at(pair[0]) as one, desk_at(pair[1]) as other:
        yield one, other


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(int(PATIENCE / 0.05)):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about")


def subject() -> Subject:
    return Subject(DRIFT, f"urn:dev:{secrets.token_hex(4)}", "digits", "1.0.0", "input")


async def forever(progress: Progress) -> None:
    progress(0.25, "waiting")
    await asyncio.Event().wait()


async def test_an_alarm_of_one_node_is_told_and_open_at_the_other_and_ends_there(desks: tuple[Desk, Desk]) -> None:
    (one, other), about = desks, subject()
    raised = await one.alarms.raise_alarm(about, "it drifted", {"samples": 40})
    await other.hears("alarm.changed", alarm=raised.id, cleared=False)
    assert raised in other.alarms.open()
    assert await other.alarms.raise_alarm(about, "it drifted here, too", {}) == raised
    await other.alarms.acknowledge(raised.id, "anna")
    await one.hears("alarm.changed", alarm=raised.id, acknowledged=True)
    await other.alarms.clear(about)  # the device is served by the other node by now
    await one.hears("alarm.changed", alarm=raised.id, cleared=True)
    assert not one.alarms.is_open(about)


async def test_of_alarms_that_two_nodes_raise_at_once_the_first_one_stays(desks: tuple[Desk, Desk]) -> None:
    (one, other), about = desks, subject()
    first, second = await asyncio.gather(
        one.alarms.raise_alarm(about, "it drifted", {}), other.alarms.raise_alarm(about, "it drifted", {})
    )
    older = min(first, second, key=lambda record: (record.raised_at, record.id))

    def ids(records: Iterable[AlarmRecord]) -> list[str]:
        return [record.id for record in records if record.endpoint == about.endpoint]

    async def agreed() -> bool:
        stored = ids(await one.alarms.newest(1_000, only_open=True))
        return stored == ids(one.alarms.open()) == ids(other.alarms.open()) == [older.id]

    await until(agreed)


async def test_a_job_of_one_node_is_followed_and_stopped_at_the_other(desks: tuple[Desk, Desk]) -> None:
    one, other = desks
    job = await one.jobs.begin("test", "a thing", forever, caller="me")
    await other.hears("job.changed", job=job.id, progress=0.25)
    assert (await other.jobs.get(job.id)).activity == "waiting"
    assert job.id in [known.id for known in await other.jobs.newest(10)]
    assert (await other.jobs.cancel(job.id)).state is JobState.CANCELLED
    assert (await one.jobs.get(job.id)).state is JobState.CANCELLED
    await other.hears("job.changed", job=job.id, state="cancelled")
    with pytest.raises(ConflictError, match="cancelled already"):
        await other.jobs.cancel(job.id)


async def test_the_result_of_a_job_is_had_from_any_node(desks: tuple[Desk, Desk]) -> None:
    one, other = desks
    large = "x" * 100_000

    async def work(progress: Progress) -> str:
        return large

    job = await one.jobs.begin("test", "a thing", work, caller="me")
    await other.hears("job.changed", job=job.id, state="done")
    assert (await other.jobs.get(job.id)).result == large


async def test_a_node_that_starts_leaves_the_jobs_of_others_alone(pair: tuple[Node, Node]) -> None:
    async with desk_at(pair[0]) as one:
        job = await one.jobs.begin("test", "a thing", forever, caller="me")
        async with desk_at(pair[1]) as other:
            assert (await other.jobs.get(job.id)).state is JobState.RUNNING
            other.jobs._elsewhere[job.id] = job
            await other.jobs.forget_what_was_told()  # events were missed
            assert (await other.jobs.get(job.id)).state is JobState.RUNNING
        assert (await one.jobs.get(job.id)).state is JobState.RUNNING


@pytest.mark.usefixtures("nats_server")
async def test_jobs_of_a_node_that_is_gone_have_failed_and_its_alarms_stay(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    about = subject()
    async with AsyncExitStack() as stack:
        engine = stack.enter_context(nats(tmp_path / "nats"))
        nodes = [
            await stack.enter_async_context(node_at(engine.url, store, tmp_path, name, lease=SHORT_LEASE))
            for store, name in zip(stores, ("lost", "other"), strict=True)
        ]
        one, other = [await stack.enter_async_context(desk_at(node)) for node in nodes]
        raised = await one.alarms.raise_alarm(about, "it drifted", {})
        job = await one.jobs.begin("test", "a thing", forever, caller="me")
        await other.hears("job.changed", job=job.id)
        lease = nodes[0].cluster._lease._task
        assert lease is not None
        lease.cancel()  # it is renewed no more, as when the node was killed
        await other.hears("job.changed", job=job.id, state="failed")
        assert (await other.jobs.get(job.id)).error == INTERRUPTED
        assert raised in other.alarms.open()
        with pytest.raises(ConflictError, match="failed already"):
            await other.jobs.cancel(job.id)


async def test_a_job_whose_node_does_not_answer_cannot_be_stopped_yet(desks: tuple[Desk, Desk]) -> None:
    one, other = desks
    job = await one.jobs.begin("test", "a thing", forever, caller="me")
    await other.hears("job.changed", job=job.id)

    async def nobody(_name: str, _what: str, _document: object) -> dict[str, object]:
        raise NotOwner("gone")

    other.jobs._bus.router = nobody
    with pytest.raises(UnavailableError, match="does not answer"):
        await other.jobs.cancel(job.id)
    assert (await one.jobs.get(job.id)).state is JobState.RUNNING


async def test_after_missed_events_alarms_and_jobs_are_read_from_the_store_again(pair: tuple[Node, Node]) -> None:
    _, other = pair
    news: asyncio.Queue[StoreChanged] = asyncio.Queue()
    other.bus.subscribe(StoreChanged, news.put, everywhere=True, here=False)
    await other.cluster._resync()
    async with asyncio.timeout(PATIENCE):
        changed = await news.get()
    assert {"alarms", "jobs", "models"} <= set(changed.tables)
