"""Tasks end though a cancellation was lost."""

import asyncio

from lwm2m_ml.cluster.endings import end


async def test_a_task_that_forgets_a_cancellation_is_cancelled_again() -> None:
    forgotten = 0

    async def forgetful() -> None:
        nonlocal forgotten
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                forgotten += 1
                if forgotten > 1:
                    raise

    task = asyncio.create_task(forgetful())
    await asyncio.sleep(0)
    await end([task, None])
    assert task.cancelled()
    assert forgotten == 2


async def test_what_a_task_raises_is_nobody_elses() -> None:
    async def failing() -> None:
        raise ValueError

    await end([asyncio.create_task(failing())])
    await end([])
