"""Rows to SQLite, past SQLAlchemy: a connection and a thread of their own, few statements, one transaction a batch.

The driver lets other threads go on while a statement runs, and has to wait for its turn again after each. Under load
that wait is what a statement costs, so that hundreds of rows go into one; where it is the only one of a batch, it is
the transaction.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError

from lwm2m_ml.store.database_file import DatabaseFile
from lwm2m_ml.store.errors import StoreUnavailable, concerns_everybody
from lwm2m_ml.store.row_statement import DriverStatement, Row, RowStatement, RowWrite

Group = Sequence[RowWrite]
"""Rows of one statement."""
Execution = tuple[str, list[Any]]
"""SQL and its parameters."""
Failures = dict[RowWrite, Exception]
"""Why writes failed; all others of their batch are on disk."""


class SqliteRows:
    """Writes batches of rows, each whole or without those that fail by their own fault."""

    def __init__(self, engine: Engine, file: DatabaseFile) -> None:
        """`engine` is synchronous, gives its connections the settings of the store, and writes to `file`."""
        self._engine = engine
        self._file = file
        self._thread = ThreadPoolExecutor(1, "store-rows")
        self._connection: PoolProxiedConnection | None = None
        self._statements: dict[RowStatement, DriverStatement] = {}

    async def write(self, groups: Sequence[Group]) -> Failures:
        """Write groups of rows in one transaction and return what failed."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._write, groups)

    async def close(self) -> None:
        """Close the connection."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    # What follows runs in the thread

    def _write(self, groups: Sequence[Group]) -> Failures:
        """Write what can be written. What is in a file that was taken away is not, whatever SQLite says."""
        try:
            self._file.check()
            failures = self._write_what_can_be(groups)
            self._file.check()
        except StoreUnavailable as error:
            return dict.fromkeys((write for group in groups for write in group), error)
        return failures

    def _write_what_can_be(self, groups: Sequence[Group]) -> Failures:
        try:
            self._write_together(groups)
        except Exception as error:
            writes = [write for group in groups for write in group]
            if len(writes) == 1 or concerns_everybody(error):
                return dict.fromkeys(writes, _wrapped(error))
            return self._write_one_by_one(writes)
        return {}

    def _write_together(self, groups: Sequence[Group]) -> None:
        executions = [
            execution
            for group in groups
            for execution in self._executions(group[0].statement, [row for write in group for row in write.rows])
        ]
        if len(executions) == 1:
            self._driver().execute(*executions[0])
            return
        driver = self._begin()
        try:
            for execution in executions:
                driver.execute(*execution)
            driver.execute("COMMIT")
        except BaseException:
            _roll_back(driver)
            raise

    def _write_one_by_one(self, writes: Sequence[RowWrite]) -> Failures:
        failures: Failures = {}
        try:
            driver = self._begin()
            try:
                for write in writes:
                    error = self._try(driver, write)
                    if error is not None:
                        failures[write] = error
                driver.execute("COMMIT")
            except BaseException:
                _roll_back(driver)
                raise
        except Exception as error:  # nothing of the batch is written
            return dict.fromkeys(writes, _wrapped(error))
        return failures

    def _try(self, driver: sqlite3.Connection, write: RowWrite) -> Exception | None:
        driver.execute("SAVEPOINT one")
        try:
            for execution in self._executions(write.statement, write.rows):
                driver.execute(*execution)
        except Exception as error:
            driver.execute("ROLLBACK TO one")
            return _wrapped(error)
        finally:
            driver.execute("RELEASE one")
        return None

    def _executions(self, statement: RowStatement, rows: Sequence[Row]) -> list[Execution]:
        known = self._statements.get(statement)
        if known is None:
            known = self._statements[statement] = DriverStatement(statement, self._engine.dialect)
        return [(known.text(len(chunk)), known.parameters(chunk)) for chunk in known.chunks(rows)]

    def _begin(self) -> sqlite3.Connection:
        driver = self._driver()
        driver.execute("BEGIN IMMEDIATE")
        return driver

    def _driver(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
        return cast("sqlite3.Connection", self._connection.driver_connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()


def _roll_back(driver: sqlite3.Connection) -> None:
    """Undo; SQLite has done so by itself when the disk was full or broken."""
    if driver.in_transaction:
        driver.execute("ROLLBACK")


def _wrapped(error: Exception) -> Exception:
    """A driver's error as SQLAlchemy would raise it, which the store knows how to put into a sentence."""
    if not isinstance(error, sqlite3.Error):
        return error
    wrapped = DBAPIError.instance("row", None, error, sqlite3.Error)
    wrapped.__cause__ = error
    return wrapped
