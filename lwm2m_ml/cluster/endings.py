"""Ends tasks that wait for NATS.

Its client waits with `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that comes together with the
answer (python/cpython#86296): a task that goes round in a circle would never end. So it is cancelled until it has.
"""

import asyncio
from collections.abc import Iterable

AGAIN_SECONDS = 0.5


async def end(tasks: Iterable["asyncio.Task[None] | None"]) -> None:
    """Cancel tasks and wait until they have ended; what they raise has been told by themselves."""
    found = {task for task in tasks if task is not None}
    while waiting := {task for task in found if not task.done()}:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=AGAIN_SECONDS)
    await asyncio.gather(*found, return_exceptions=True)
