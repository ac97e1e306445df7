"""Rows to a database server: all rows of a statement in one execution, one transaction a batch."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from lwm2m_ml.store.errors import concerns_everybody
from lwm2m_ml.store.fence import Fence
from lwm2m_ml.store.row_statement import RowStatement, RowWrite
from lwm2m_ml.store.sqlite_rows import Failures, Group


class ServerRows:
    """Writes batches of rows, each whole or without those that fail by their own fault or are not ours to write."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.fence: Fence | None = None

    async def write(self, groups: Sequence[Group]) -> Failures:
        """Write groups of rows in one transaction and return what failed."""
        try:
            async with self._engine.begin() as connection:
                failures = await self._refused(connection, groups)
                for group in groups:
                    await _execute(connection, group[0].statement, [one for one in group if one not in failures])
        except Exception as error:
            writes = [write for group in groups for write in group]
            if len(writes) == 1 or concerns_everybody(error):
                return dict.fromkeys(writes, error)
            return await self._write_one_by_one(writes)
        return failures

    async def close(self) -> None:
        """There is nothing of its own to close."""

    async def _write_one_by_one(self, writes: Sequence[RowWrite]) -> Failures:
        try:
            async with self._engine.begin() as connection:
                failures = await self._refused(connection, [writes])
                for write in writes:
                    if write not in failures:
                        error = await _try(connection, write)
                        if error is not None:
                            failures[write] = error
        except Exception as error:  # nothing of the batch is written
            return dict.fromkeys(writes, error)
        return failures

    async def _refused(self, connection: AsyncConnection, groups: Sequence[Group]) -> Failures:
        if self.fence is None:
            return {}
        return await self.fence.check_rows(connection, [write for group in groups for write in group])


async def _try(connection: AsyncConnection, write: RowWrite) -> Exception | None:
    try:
        async with connection.begin_nested():
            await _execute(connection, write.statement, [write])
    except Exception as error:
        return error
    return None


async def _execute(connection: AsyncConnection, statement: RowStatement, writes: Sequence[RowWrite]) -> None:
    parameters = [one for write in writes for _, one in write.executions()]
    if parameters:
        await connection.execute(statement.statement, parameters)
