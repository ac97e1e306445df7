"""The threads and idle CPUs that all devices of a fleet share."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

from lwm2m_ml_simulator.processor.runners import RunnerPool
from lwm2m_ml_simulator.processor.sampling import OutcomeMemory

Outcome = TypeVar("Outcome")


class EmulationPool:
    """Runs emulated CPUs in `workers` threads: more than there are processors would only wait for each other."""

    def __init__(self, workers: int | None = None) -> None:
        self.runners = RunnerPool()
        self.outcomes: OutcomeMemory[Any] = OutcomeMemory()
        self._threads = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="simulated-cpu")

    async def run(self, work: Callable[[], Outcome]) -> Outcome:
        """Do something in a thread of the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """End the threads; what has not begun is not done any more."""
        self._threads.shutdown(wait=True, cancel_futures=True)


@cache
def shared_pool() -> EmulationPool:
    """Return the pool of devices that nobody gave another one."""
    return EmulationPool()
