"""The pool of worker processes, and how it survives a worker that crashes or hangs.

Each place in the pool is a `ProcessPoolExecutor` of a single process: when that process has to be killed, nobody
else's work dies with it. Processes are spawned, not forked, because the server has threads and sockets that must not be
copied.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.workers.failures import Failure, guarded

Result = TypeVar("Result")

DEFAULT_TIME_LIMIT = 600.0
# Compiling takes about 0.2 GiB; a backend that is not ours has a process and a smaller limit of its own.
DEFAULT_MEMORY_LIMIT = 4 << 30


class WorkerFailed(Lwm2mMlError):
    """A worker process crashed, or took longer than it may."""


class WorkerPool:
    """Runs functions in worker processes, at most one per place; further callers wait in line."""

    def __init__(
        self, places: int, *, time_limit: float = DEFAULT_TIME_LIMIT, memory_limit: int = DEFAULT_MEMORY_LIMIT
    ) -> None:
        self._time_limit = time_limit
        self._idle: list[Place] = [Place(memory_limit) for _ in range(places)]
        self._all = tuple(self._idle)
        self._free = asyncio.Semaphore(places)

    async def run(self, function: Callable[..., Result], *arguments: Any, what: str) -> Result:
        """Run `function` in a worker; `what` names the work in errors. Raises what it raises, or `WorkerFailed`."""
        async with self._free:
            place = self._idle.pop()
            try:
                answer = await self._run_in(place, function, arguments, what)
            finally:
                self._idle.append(place)
        if isinstance(answer, Failure):
            raise answer.to_error(what)
        result: Result = answer
        return result

    async def stop(self) -> None:
        """End all workers, whatever they are doing."""
        for place in self._all:
            place.kill()

    async def _run_in(self, place: "Place", function: Callable[..., Any], arguments: tuple[Any, ...], what: str) -> Any:
        future = asyncio.wrap_future(place.submit(function, *arguments))
        try:
            return await asyncio.wait_for(future, self._time_limit)
        except TimeoutError:
            place.kill()
            raise WorkerFailed(
                f"{what} took longer than {self._time_limit:g} s and was stopped", hint="Try a smaller model"
            ) from None
        except BrokenProcessPool:
            place.kill()
            raise WorkerFailed(
                f"{what} failed: the worker process died", hint="It may have run out of memory; see the log"
            ) from None
        except asyncio.CancelledError:
            place.kill()
            raise


class Place:
    """One place of the pool: a process that is started when it is first needed."""

    def __init__(self, memory_limit: int) -> None:
        self._memory_limit = memory_limit
        self._executor: ProcessPoolExecutor | None = None
        self._processes: list[BaseProcess] = []

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Start a piece of work, with a new process if the last one is gone."""
        if self._executor is not None:
            return self._executor.submit(guarded, function, *arguments)
        self._executor = ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=prepare_worker,
            initargs=(self._memory_limit,),
        )
        # The process is started by the first submission, in this thread: it is the child that was not there before.
        before = set(multiprocessing.active_children())
        future = self._executor.submit(guarded, function, *arguments)
        self._processes = [child for child in multiprocessing.active_children() if child not in before]
        return future

    def kill(self) -> None:
        """End the process now; the next submission gets a new one."""
        if self._executor is None:
            return
        executor, self._executor = self._executor, None
        for process in self._processes:
            process.kill()
        executor.shutdown(wait=False, cancel_futures=True)


def prepare_worker(memory_limit: int = DEFAULT_MEMORY_LIMIT) -> None:
    """Make a fresh process a good worker.

    It leaves Ctrl-C to the server, takes no more bytes of memory than it may, and ends when the server is gone.
    """
    _limit_memory(memory_limit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="parent watch", daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _limit_memory(memory_limit: int) -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    # Private writable memory: address space that is only reserved, as emulators do, does not count.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_limit, hard))
