"""Worker processes: what they answer, and what happens when they crash or hang."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lwm2m_ml.errors import Lwm2mMlError, UsageError
from lwm2m_ml.service.workers.executor import WorkerFailed, WorkerPool
from lwm2m_ml.service.workers.failures import WorkerDefect, guarded
from lwm2m_ml.service.workers.tasks import inspect_model


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(1, time_limit=20)
    yield pool
    await pool.stop()


async def test_work_is_done_in_another_process(pool: WorkerPool) -> None:
    assert await pool.run(os.getpid, what="asking") != os.getpid()


async def test_a_worker_is_kept_for_the_next_piece_of_work(pool: WorkerPool) -> None:
    assert await pool.run(os.getpid, what="asking") == await pool.run(os.getpid, what="asking")


async def test_a_crash_is_survived_and_named(pool: WorkerPool) -> None:
    with pytest.raises(WorkerFailed, match="compiling digits for rp2040 failed: the worker process died"):
        await pool.run(os._exit, 1, what="compiling digits for rp2040")
    assert await pool.run(len, "four", what="counting") == 4


async def test_a_hang_is_ended_and_named() -> None:
    pool = WorkerPool(1, time_limit=3)
    await pool.run(os.getpid, what="starting")
    began = time.monotonic()
    pool._time_limit = 0.1
    with pytest.raises(WorkerFailed, match=r"compiling digits for rp2040 took longer than 0\.1 s"):
        await pool.run(time.sleep, 60, what="compiling digits for rp2040")
    assert time.monotonic() - began < 5
    pool._time_limit = 20
    assert await pool.run(len, "four", what="counting") == 4
    await pool.stop()


async def test_a_cancelled_caller_frees_its_place(pool: WorkerPool) -> None:
    await pool.run(os.getpid, what="starting")
    task = asyncio.create_task(pool.run(time.sleep, 60, what="sleeping"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await pool.run(len, "four", what="counting") == 4


async def test_errors_of_users_cross_the_border_with_their_kind_and_hint(pool: WorkerPool) -> None:
    with pytest.raises(Lwm2mMlError, match="reading model x failed: ") as caught:
        await pool.run(inspect_model, b"not a model", what="reading model x")
    assert caught.value.exit_code == 1


async def test_a_defect_says_so(pool: WorkerPool) -> None:
    with pytest.raises(WorkerDefect, match="counting failed: TypeError"):
        await pool.run(len, 5, what="counting")


def test_the_kind_of_an_error_is_kept() -> None:
    def fail() -> None:
        raise UsageError("No", hint="Do not")

    error = guarded(fail).to_error("asking")
    assert isinstance(error, UsageError)
    assert (error.message, error.hint) == ("asking failed: No", "Do not")


PARENT = """
import asyncio, os
from lwm2m_ml.service.workers.executor import WorkerPool

async def main():
    pool = WorkerPool(1)
    print(await pool.run(os.getpid, what="asking"), flush=True)
    await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_no_worker_outlives_a_server_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    async with asyncio.timeout(30):
        worker = int(await parent.stdout.readline())
        parent.kill()
        await parent.wait()
        try:
            while is_running(worker):  # noqa: ASYNC110 - a process that is not our child cannot be waited for
                await asyncio.sleep(0.01)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def is_running(process_id: int) -> bool:
    """Whether a process is there and not merely unreaped by whoever inherited it."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process_id}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


async def test_a_worker_that_wants_too_much_memory_is_told_so() -> None:
    pool = WorkerPool(1, time_limit=20, memory_limit=512 << 20)
    with pytest.raises(Lwm2mMlError, match=r"compiling digits failed: it needs more memory .* smaller model"):
        await pool.run(bytes, 1 << 30, what="compiling digits")
    assert await pool.run(len, "four", what="counting") == 4
    await pool.stop()
