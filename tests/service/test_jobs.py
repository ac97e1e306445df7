"""Jobs go on after the request that began them, tell their progress, can be stopped, and outlive the server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import ConflictError, InvalidInputError, NotFoundError
from lwm2m_ml.service.jobs import INTERRUPTED, Job, JobChanged, Jobs, JobState, Progress
from lwm2m_ml.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}")
    yield store
    await store.close()


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus()
    yield bus
    await bus.close()


@pytest.fixture
async def jobs(store: Store, bus: Bus) -> AsyncIterator[Jobs]:
    jobs = Jobs(store.jobs, bus)
    await jobs.start()
    yield jobs
    await jobs.stop()


async def ended(jobs: Jobs, job_id: str) -> Job:
    for _ in range(2_000):
        job = await jobs.get(job_id)
        if job.ended_at is not None:
            return job
        await asyncio.sleep(0.005)
    raise TimeoutError(job_id)


async def begin(jobs: Jobs, work: Any) -> Job:
    return await jobs.begin("test", "a thing", work, caller="me")


async def forever(progress: Progress) -> None:
    progress(0.25, "waiting")
    await asyncio.Event().wait()


async def test_a_job_ends_with_its_result(jobs: Jobs) -> None:
    async def work(progress: Progress) -> dict[str, int]:
        return {"answer": 42}

    job = await ended(jobs, (await begin(jobs, work)).id)
    assert (job.state, job.result, job.progress, job.caller) == (JobState.DONE, {"answer": 42}, 1.0, "me")


async def test_progress_is_seen_and_told(jobs: Jobs, bus: Bus) -> None:
    told: list[Job] = []

    async def hear(event: JobChanged) -> None:
        told.append(event.job)

    bus.subscribe(JobChanged, hear)
    job = await begin(jobs, forever)
    await asyncio.sleep(0)
    await bus.drain()
    assert (await jobs.get(job.id)).progress == 0.25
    assert told[0].activity == "waiting"


@pytest.mark.parametrize(
    ("error", "says"), [(InvalidInputError("It is bad"), "It is bad."), (ValueError("secret"), "The server failed")]
)
async def test_a_failure_is_told_but_nothing_of_the_inside(jobs: Jobs, error: Exception, says: str) -> None:
    async def work(progress: Progress) -> None:
        raise error

    job = await ended(jobs, (await begin(jobs, work)).id)
    assert job.state is JobState.FAILED
    assert job.error.startswith(says)
    assert "secret" not in job.error


async def test_a_job_is_cancelled_once(jobs: Jobs) -> None:
    job = await begin(jobs, forever)
    assert (await jobs.cancel(job.id)).state is JobState.CANCELLED
    with pytest.raises(ConflictError, match="cancelled already"):
        await jobs.cancel(job.id)
    with pytest.raises(NotFoundError):
        await jobs.cancel("none")


async def test_what_a_restart_interrupted_says_so(jobs: Jobs, store: Store, bus: Bus) -> None:
    job = await begin(jobs, forever)
    await asyncio.sleep(0)
    await jobs.stop()
    later = Jobs(store.jobs, bus)
    await later.start()
    found = await later.get(job.id)
    assert (found.state, found.error) == (JobState.FAILED, INTERRUPTED)


async def test_jobs_are_listed_newest_first_in_parts(jobs: Jobs) -> None:
    async def work(progress: Progress) -> None:
        """Do nothing."""

    made = [(await begin(jobs, work)).id for _ in range(5)]
    first = await jobs.newest(3)
    rest = await jobs.newest(3, before=(first[-1].created_at, first[-1].id))
    assert [job.id for job in (*first, *rest)] == made[::-1]


async def test_too_many_jobs_at_once_are_refused(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_ml.service.jobs.MAXIMUM_RUNNING", 2)
    for _ in range(2):
        await begin(jobs, forever)
    with pytest.raises(ConflictError, match="2 jobs are under way"):
        await begin(jobs, forever)
