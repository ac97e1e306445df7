"""Group commit: statements from everywhere are queued, written in one transaction, and acknowledged after its commit.

One task writes. It takes what has gathered while the last transaction was being committed, so that batches grow with
load and a lone statement waits for nobody. A batch runs first without savepoints; when a statement fails, the batch is
rolled back and written again with a savepoint around each piece of work, so that only the guilty one fails.

Rows that come by the ten thousand take a shorter way, where the database has one (`sqlite_rows`): neighbours in the
queue that are rows are a transaction of their own.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar, cast

from sqlalchemy import Executable, FromClause
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.durability import Durability
from lwm2m_ml.store.errors import DATABASE_ERRORS, StoreClosed, StoreOverloaded, concerns_everybody, translate
from lwm2m_ml.store.fence import Fence
from lwm2m_ml.store.row_statement import Row, RowStatement, RowWrite
from lwm2m_ml.store.server_rows import ServerRows
from lwm2m_ml.store.sqlite_rows import Failures, Group, SqliteRows

Result = TypeVar("Result")
Parameters = Mapping[str, Any]

MAXIMUM_BATCH = 5_000
MAXIMUM_WAITING = 500_000
ROUND = 64
"""Larger batches hold a multiple of this: each statement of a batch costs a turn of its thread, see `sqlite_rows`."""
SETTLED_AT_ONCE = 200
"""Commits told in one turn of the event loop; each is an answer to a device, and takes its microseconds."""


@dataclass(slots=True)
class Work:
    """What one caller wants written, whole or not at all, and the future that tells them how it went."""

    future: asyncio.Future[Any]
    statements: Sequence[tuple[Executable, Parameters | None]] = ()
    function: Callable[[AsyncConnection], Awaitable[Any]] | None = None
    proves: bool = True
    """Whether its success says that the database takes writes."""
    result: Any = field(default=None)

    async def run(self, connection: AsyncConnection, fence: Fence | None) -> None:
        """Execute in the connection's open transaction."""
        if fence is not None:
            await fence.check(connection, self.statements)
        for statement, parameters in self.statements:
            await connection.execute(statement, parameters)
        if self.function is not None:
            self.result = await self.function(connection)


class Writer:
    """The queue in front of the connection that writes."""

    def __init__(
        self,
        engine: AsyncEngine,
        rows: SqliteRows | ServerRows | None = None,
        *,
        check: Callable[[], None] = lambda: None,
        maximum_waiting: int = MAXIMUM_WAITING,
    ) -> None:
        """`rows` is the short way for rows; without it they go the way of all other work.

        `check` raises `StoreUnavailable` when what is written would not last.
        """
        self.durability = Durability()
        self._check = check
        self._engine = engine.execution_options(lwm2m_ml_writer=True)
        self._rows = rows
        self._fence: Fence | None = None
        self.on_written: Callable[[frozenset[str]], None] | None = None
        """Is told the tables of statements that were written one by one; rows by the ten thousand are not told of."""
        self._maximum_waiting = maximum_waiting
        self._waiting: deque[Work | RowWrite] = deque()
        self._wakeup = asyncio.Event()
        self._unsettled = 0
        """Rows that are written, whose submitters have not heard of it yet."""
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._serve())

    def submit(self, statement: Executable, parameters: Parameters | None = None) -> asyncio.Future[None]:
        """Queue one statement; the future resolves after the commit of its batch, or carries a `StoreError`.

        Statements are written in the order of submission.
        """
        return self._put(Work(self._loop.create_future(), ((statement, parameters),)))

    def submit_rows(self, statement: RowStatement, *rows: Row) -> Commit:
        """Queue rows that are written together or not at all; the commit is settled with None or a `StoreError`."""
        write = RowWrite(statement, rows)
        self._queue(write)
        return write

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

    def guard(self, fence: Fence) -> None:
        """Have everything checked against what this process owns, from now on. Needs a database server."""
        self._fence = fence
        if isinstance(self._rows, ServerRows):
            self._rows.fence = fence

    async def flush(self) -> None:
        """Wait until everything submitted so far is committed or has failed."""

        async def nothing(connection: AsyncConnection) -> None:
            """Mark the end of what is queued now."""

        await self._put(Work(self._loop.create_future(), function=nothing, proves=False))
        await self._until_settled()

    async def _until_settled(self) -> None:
        while self._unsettled:  # noqa: ASYNC110 - turns of the loop are what it waits for
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Write what is queued, then accept nothing more."""
        self._closing = True
        self._wakeup.set()
        await self._task

    def _put(self, work: Work) -> asyncio.Future[Any]:
        # A caller that went away still gets its write; nobody is left to hear of a failure, and that is no mistake.
        work.future.add_done_callback(_retrieve_exception)
        self._queue(work)
        return work.future

    def _queue(self, work: Work | RowWrite) -> None:
        if self._closing:
            raise StoreClosed
        if len(self._waiting) >= self._maximum_waiting:
            raise StoreOverloaded(len(self._waiting))
        self._waiting.append(work)
        self._wakeup.set()

    async def _serve(self) -> None:
        while self._waiting or not self._closing:
            await self._wakeup.wait()
            await self._write_batch()
        if self._rows is not None:
            await self._rows.close()
        await self._until_settled()

    async def _write_batch(self) -> None:
        """Write what waits; nothing of it is held any more when this has ended."""
        batch = [self._waiting.popleft() for _ in range(batch_size(len(self._waiting)))]
        if not self._waiting and not self._closing:
            self._wakeup.clear()
        for kind, neighbours in groupby(batch, type):
            if kind is RowWrite:
                await self._write_rows(cast("Sequence[RowWrite]", list(neighbours)))
            else:
                await self._write(cast("Sequence[Work]", list(neighbours)))

    # Rows

    async def _write_rows(self, writes: Sequence[RowWrite]) -> None:
        if self._rows is None:
            failures = await self._write_rows_as_work(writes)
        else:
            failures = await self._rows.write(by_statement(writes))
            errors = map(_as_store_error, failures.values())
            self.durability.judge(len(failures) < len(writes), errors)
        # The next batch is on its way while those who wait for this one are told.
        self._unsettled += len(writes)
        self._loop.call_soon(self._settle, writes, failures, 0)

    def _settle(self, writes: Sequence[RowWrite], failures: Failures, start: int) -> None:
        """Tell those who wait, some at a time, so that nobody else waits for all of them."""
        told = writes[start : start + SETTLED_AT_ONCE]
        for write in told:
            error = failures.get(write) if failures else None
            write.settle(None if error is None else _as_store_error(error))
        self._unsettled -= len(told)
        if start + len(told) < len(writes):
            self._loop.call_soon(self._settle, writes, failures, start + len(told))

    async def _write_rows_as_work(self, writes: Sequence[RowWrite]) -> Failures:
        works = [Work(self._loop.create_future(), one.executions()) for one in writes]
        await self._write(works)
        errors = [work.future.exception() for work in works]
        return {one: cast("Exception", error) for one, error in zip(writes, errors, strict=True) if error is not None}

    # Everything else

    async def _write(self, batch: Sequence[Work]) -> None:
        try:
            self._check()
            async with self._engine.begin() as connection:
                for work in batch:
                    await work.run(connection, self._fence)
            self._check()
        except Exception as error:
            if len(batch) == 1 or concerns_everybody(error):
                self._tell(batch, dict.fromkeys(range(len(batch)), error))
            else:
                await self._write_one_by_one(batch)
        else:
            self._tell(batch, {})

    async def _write_one_by_one(self, batch: Sequence[Work]) -> None:
        errors: dict[int, Exception] = {}
        try:
            async with self._engine.begin() as connection:
                for index, work in enumerate(batch):
                    try:
                        async with connection.begin_nested():
                            await work.run(connection, self._fence)
                    except Exception as error:
                        errors[index] = error
        except Exception as error:  # the commit failed: nothing of the batch is written
            errors = dict.fromkeys(range(len(batch)), error)
        self._tell(batch, errors)

    def _tell(self, batch: Sequence[Work], errors: Mapping[int, Exception]) -> None:
        """Tell everybody how it went with their work, by its place in the batch."""
        failures = {index: _as_store_error(error) for index, error in errors.items()}
        proven = any(work.proves for index, work in enumerate(batch) if index not in failures)
        self.durability.judge(proven, failures.values())
        self._note_tables([work for index, work in enumerate(batch) if index not in failures])
        for index, work in enumerate(batch):
            if work.future.done():
                continue
            if index in failures:
                work.future.set_exception(failures[index])
            else:
                work.future.set_result(work.result)

    def _note_tables(self, written: Sequence[Work]) -> None:
        if self.on_written is None:
            return
        statements = [statement for work in written for statement, _ in work.statements]
        tables = (getattr(statement, "table", None) for statement in statements)
        self.on_written(frozenset(table.name for table in tables if table is not None))


def batch_size(waiting: int) -> int:
    """How many to take of those that wait: many that are alike go into few statements when their number is round."""
    return min(waiting if waiting < ROUND else waiting - waiting % ROUND, MAXIMUM_BATCH)


def by_statement(writes: Iterable[RowWrite]) -> Sequence[Group]:
    """Put rows of one statement together, as far as the rows of each table stay in their order."""
    groups: list[list[RowWrite]] = []
    latest: dict[FromClause, list[RowWrite]] = {}
    for write in writes:
        statement = write.statement
        group = latest.get(statement.table)
        if group is None or group[0].statement is not statement:
            group = latest[statement.table] = []
            groups.append(group)
        group.append(write)
    return groups


def _as_store_error(error: Exception) -> Exception:
    if isinstance(error, DATABASE_ERRORS):
        translated = translate(error)
        translated.__cause__ = error
        return translated
    return error


def _retrieve_exception(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
