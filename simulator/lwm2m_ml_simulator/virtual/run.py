"""Runs a coroutine on virtual time, like `asyncio.run`."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, TypeVar

from anyio.to_thread import current_default_thread_limiter

from lwm2m_ml_simulator.virtual.clock import EPOCH, VirtualClock
from lwm2m_ml_simulator.virtual.loop import VirtualTimeLoop

Outcome = TypeVar("Outcome")


def run_virtually(main: Coroutine[Any, Any, Outcome], *, epoch: float = EPOCH, seed: int = 0) -> Outcome:
    """Run `main` to its end and return what it returns.

    `seed` is that of the module `random`, from which CoAP draws the jitter of its retransmissions: with it, and with
    devices that have seeds of their own, a simulation takes the same course each time.
    """
    clock, state = VirtualClock(epoch), random.getstate()
    try:
        random.seed(seed)
        with clock.installed(), asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(clock)) as runner:
            return runner.run(_watched(main))
    finally:
        random.setstate(state)


async def _watched(main: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Threads of anyio, in which web frameworks run what may block, count too."""
    loop, threads = asyncio.get_running_loop(), current_default_thread_limiter()
    if isinstance(loop, VirtualTimeLoop):
        loop.watch(lambda: threads.borrowed_tokens > 0)
    return await main
