"""Jobs by id, and newest first."""

import asyncio

from lwm2m_ml.store import Store
from lwm2m_ml.store.jobs import JobRecord


def record(number: int, *, ended_at: float | None = None) -> JobRecord:
    return JobRecord(f"j{number}", "compile", "digits", "me", "running", float(number), ended_at=ended_at)


async def test_a_job_is_replaced_by_its_later_state_but_keeps_its_birth(store: Store) -> None:
    await store.jobs.put(record(1))
    await store.jobs.put(JobRecord("j1", "compile", "digits", "me", "done", 9.0, result=[1], ended_at=2.0))
    found = await store.jobs.get("j1")
    assert found is not None
    assert (found.state, found.result, found.created_at) == ("done", [1], 1.0)
    assert await store.jobs.get("none") is None


async def test_jobs_are_listed_newest_first_from_a_place_on(store: Store) -> None:
    for number in range(5):
        await store.jobs.put(record(number))
    assert [job.id for job in await store.jobs.newest(2)] == ["j4", "j3"]
    assert [job.id for job in await store.jobs.newest(9, before=(3.0, "j3"))] == ["j2", "j1", "j0"]


async def test_ended_jobs_are_forgotten_and_others_found(store: Store) -> None:
    await store.jobs.put(record(1, ended_at=5.0))
    await store.jobs.put(record(2))
    await store.jobs.delete_ended(6.0)
    assert [job.id for job in await store.jobs.unfinished()] == ["j2"]
    assert await store.jobs.get("j1") is None


async def test_of_several_who_end_a_job_one_does(store: Store) -> None:
    await store.jobs.put(record(1))
    ended = await asyncio.gather(*(store.jobs.end("j1", "failed", f"reason {n}", 5.0) for n in range(3)))
    assert sorted(ended) == [False, False, True]
    found = await store.jobs.get("j1")
    assert found is not None
    assert (found.state, found.error, found.ended_at) == ("failed", f"reason {ended.index(True)}", 5.0)


async def test_a_job_stays_that_of_its_first_runner(store: Store) -> None:
    await store.jobs.put(JobRecord("j1", "compile", "digits", "me", "running", 1.0, runner="a"))
    await store.jobs.put(JobRecord("j1", "compile", "digits", "me", "done", 1.0, ended_at=2.0, runner="b"))
    found = await store.jobs.get("j1")
    assert found is not None
    assert (found.state, found.runner) == ("done", "a")
