"""Group commit: statements from everywhere are queued, written in one transaction, and acknowledged after its commit.

One task owns the only connection that writes. It takes what has gathered while the last transaction was being
committed, so that batches grow with load and a lone statement waits for nobody. A batch runs first without savepoints;
when a statement fails, the batch is rolled back and written again with a savepoint around each piece of work, so that
only the guilty one fails.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from lwm2m_ml.store.errors import StoreClosed, StoreOverloaded, translate

Result = TypeVar("Result")
Parameters = Mapping[str, Any]

MAXIMUM_BATCH = 5_000
MAXIMUM_WAITING = 500_000


@dataclass(slots=True)
class Work:
    """What one caller wants written, whole or not at all, and the future that tells them how it went."""

    future: asyncio.Future[Any]
    statements: Sequence[tuple[Executable, Parameters | None]] = ()
    function: Callable[[AsyncConnection], Awaitable[Any]] | None = None
    result: Any = field(default=None)

    async def run(self, connection: AsyncConnection) -> None:
        """Execute in the connection's open transaction."""
        for statement, parameters in self.statements:
            await connection.execute(statement, parameters)
        if self.function is not None:
            self.result = await self.function(connection)


class Writer:
    """The queue in front of the one writing connection."""

    def __init__(self, engine: AsyncEngine, *, maximum_waiting: int = MAXIMUM_WAITING) -> None:
        self._engine = engine.execution_options(lwm2m_ml_writer=True)
        self._maximum_waiting = maximum_waiting
        self._waiting: deque[Work] = deque()
        self._wakeup = asyncio.Event()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._serve())

    def submit(self, statement: Executable, parameters: Parameters | None = None) -> asyncio.Future[None]:
        """Queue one statement; the future resolves after the commit of its batch, or carries a `StoreError`.

        Statements are written in the order of submission. The same statement object with different parameters is
        cheapest: neighbours become one `executemany`.
        """
        return self._put(Work(self._loop.create_future(), ((statement, parameters),)))

    def submit_all(self, statements: Sequence[tuple[Executable, Parameters | None]]) -> asyncio.Future[None]:
        """Queue several statements that are written together or not at all."""
        return self._put(Work(self._loop.create_future(), statements))

    def run(self, function: Callable[[AsyncConnection], Awaitable[Result]]) -> asyncio.Future[Result]:
        """Queue a function of the open transaction; the future carries what it returned.

        The function may be called again when its batch has to be written anew, so it must act on the database only.
        """
        return self._put(Work(self._loop.create_future(), function=function))

    @property
    def waiting(self) -> int:
        """How many pieces of work are queued."""
        return len(self._waiting)

    async def flush(self) -> None:
        """Wait until everything submitted so far is committed or has failed."""

        async def nothing(connection: AsyncConnection) -> None:
            """Mark the end of what is queued now."""

        await self.run(nothing)

    async def close(self) -> None:
        """Write what is queued, then accept nothing more."""
        self._closing = True
        self._wakeup.set()
        await self._task

    def _put(self, work: Work) -> asyncio.Future[Any]:
        if self._closing:
            raise StoreClosed
        if len(self._waiting) >= self._maximum_waiting:
            raise StoreOverloaded(len(self._waiting))
        # A caller that went away still gets its write; nobody is left to hear of a failure, and that is no mistake.
        work.future.add_done_callback(_retrieve_exception)
        self._waiting.append(work)
        self._wakeup.set()
        return work.future

    async def _serve(self) -> None:
        while self._waiting or not self._closing:
            await self._wakeup.wait()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAXIMUM_BATCH))]
            if not self._waiting and not self._closing:
                self._wakeup.clear()
            if batch:
                await self._write(batch)

    async def _write(self, batch: Sequence[Work]) -> None:
        try:
            async with self._engine.begin() as connection:
                await _run_together(connection, batch)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch[0], error)
            else:
                await self._write_one_by_one(batch)
        else:
            for work in batch:
                _succeed(work)

    async def _write_one_by_one(self, batch: Sequence[Work]) -> None:
        errors: dict[int, Exception] = {}
        try:
            async with self._engine.begin() as connection:
                for index, work in enumerate(batch):
                    try:
                        async with connection.begin_nested():
                            await work.run(connection)
                    except Exception as error:
                        errors[index] = error
        except Exception as error:  # the commit failed: nothing of the batch is written
            errors = dict.fromkeys(range(len(batch)), error)
        for index, work in enumerate(batch):
            if index in errors:
                _fail(work, errors[index])
            else:
                _succeed(work)


async def _run_together(connection: AsyncConnection, batch: Sequence[Work]) -> None:
    """Run a batch in order, with neighbours of the same statement in one `executemany`."""
    index = 0
    while index < len(batch):
        end = index
        while end < len(batch) and _can_join(batch[index], batch[end]):
            end += 1
        if end - index > 1:
            statement = batch[index].statements[0][0]
            parameters = [work.statements[0][1] or {} for work in batch[index:end]]
            await connection.execute(statement, parameters)
        else:
            await batch[index].run(connection)
        index = max(end, index + 1)


def _can_join(first: Work, other: Work) -> bool:
    return (
        len(first.statements) == len(other.statements) == 1
        and first.function is None
        and other.function is None
        and first.statements[0][0] is other.statements[0][0]
        and first.statements[0][1] is not None
        and other.statements[0][1] is not None
    )


def _succeed(work: Work) -> None:
    if not work.future.done():
        work.future.set_result(work.result)


def _fail(work: Work, error: Exception) -> None:
    if not work.future.done():
        work.future.set_exception(_as_store_error(error))


def _as_store_error(error: Exception) -> Exception:
    if isinstance(error, SQLAlchemyError):
        translated = translate(error)
        translated.__cause__ = error
        return translated
    return error


def _retrieve_exception(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
