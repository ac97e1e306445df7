"""The engine, the reads, and what the two dialects do differently."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Executable, Insert, Row, Table, event
from sqlalchemy import create_engine as create_sync_engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from lwm2m_ml.errors import MissingExtraError, UsageError
from lwm2m_ml.store import postgresql as postgresql_server
from lwm2m_ml.store.database_file import DatabaseFile
from lwm2m_ml.store.errors import DATABASE_ERRORS, translate
from lwm2m_ml.store.server_rows import ServerRows
from lwm2m_ml.store.sqlite_rows import SqliteRows
from lwm2m_ml.store.writer import Writer

DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg"}
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # an acknowledged write survives a power cut, not only a killed process
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
    # What undoes a statement of many rows, should it fail: a file made, written and deleted for each costs more than
    # the rows. Nothing of it has to survive the process.
    "PRAGMA temp_store = MEMORY",
)
ROWS_AT_ONCE = 2_000
"""How many rows of a long answer are held at a time."""


def parse_url(url: str) -> URL:
    """The URL with the asynchronous driver it needs; raises `UsageError` for one that no store can live at."""
    try:
        parsed = make_url(url)
        dialect = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(f"The database URL cannot be used ({error})") from error
    if dialect not in DRIVERS:
        raise UsageError(f"There is no store for {dialect!r}", hint="Use sqlite+aiosqlite or postgresql+asyncpg")
    if dialect == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise UsageError("The store needs a file, not an in-memory database", hint="Name a file in the URL")
    return parsed.set(drivername=f"{dialect}+{DRIVERS[dialect]}")


def create_engine(url: str) -> AsyncEngine:
    """An engine for `url`; raises `UsageError` for a URL that cannot be used."""
    parsed = parse_url(url)
    is_file = parsed.get_backend_name() == "sqlite"
    engine = create_async_engine(parsed) if is_file else _create_server_engine(parsed)
    prepare(engine.sync_engine)
    return engine


def _create_server_engine(url: URL) -> AsyncEngine:
    postgresql_server.check_exposure(url)
    try:
        return create_async_engine(
            postgresql_server.without_tls_parameters(url),
            connect_args=postgresql_server.connect_arguments(url),
            pool_size=postgresql_server.CONNECTIONS,
            pool_pre_ping=True,  # a server that was restarted is asked again on a new connection
        )
    except ModuleNotFoundError as error:
        raise MissingExtraError("The driver for PostgreSQL", postgresql_server.EXTRA) from error


def create_plain_engine(url: URL) -> Engine:
    """An engine for a SQLite file that works without an event loop."""
    engine = create_sync_engine(url.set(drivername="sqlite"))
    prepare(engine)
    return engine


def prepare(engine: Engine) -> None:
    """Give connections of an engine the settings that the store relies on."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite_connection)
        event.listen(engine, "begin", _begin_sqlite_transaction)


def _prepare_sqlite_connection(connection: Any, _record: object) -> None:
    """Leave transactions to SQLAlchemy: the driver's own ones know neither savepoints nor BEGIN IMMEDIATE."""
    connection.isolation_level = None
    try:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()
    except Exception:
        connection.close()  # the pool does not know it yet, so nobody else would end its thread
        raise


def _begin_sqlite_transaction(connection: Connection) -> None:
    """Take the write lock at once where writing is certain: a lock taken later cannot wait for its turn."""
    writer = connection.get_execution_options().get("lwm2m_ml_writer", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")


class Database:
    """An open database: reads run at once, writes go through the `writer`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._is_postgresql = engine.dialect.name == "postgresql"
        self.writer = Writer(engine, ServerRows(engine)) if self._is_postgresql else self._file_writer(engine)

    def _file_writer(self, engine: AsyncEngine) -> Writer:
        """A writer that writes to the file that is there now, and to no other."""
        file, plain = DatabaseFile(Path(str(engine.url.database))), create_plain_engine(engine.url)
        for one in (engine.sync_engine, plain):
            event.listen(one, "do_connect", lambda *_: file.check())  # SQLite would make a new one
        return Writer(engine, SqliteRows(plain, file), check=file.check)

    async def rows(self, statement: Executable) -> Sequence[Row[Any]]:
        """All rows of a query."""
        try:
            async with self.engine.connect() as connection:
                return (await connection.execute(statement)).all()
        except DATABASE_ERRORS as error:
            raise translate(error) from error

    async def batches(self, statement: Executable) -> AsyncIterator[Sequence[Sequence[Any]]]:
        """All rows of a query, some at a time: what there is one of for each device is never held twice."""
        try:
            async with self.engine.connect() as connection:
                async for rows in (await connection.stream(statement)).partitions(ROWS_AT_ONCE):
                    yield rows
        except DATABASE_ERRORS as error:
            raise translate(error) from error

    async def row(self, statement: Executable) -> Row[Any] | None:
        """The first row of a query, or None."""
        rows = await self.rows(statement)
        return rows[0] if rows else None

    def insert(self, table: Table) -> Any:
        """The dialect's INSERT, which knows ON CONFLICT; both dialects spell it alike, but share no type."""
        return postgresql.insert(table) if self._is_postgresql else sqlite.insert(table)

    def upsert(self, table: Table, *, keep: Sequence[str] = ()) -> Insert:
        """INSERT that replaces the row with the same primary key, save the columns in `keep`."""
        insert = self.insert(table)
        keys = [column.name for column in table.primary_key]
        replaced = {one.name: insert.excluded[one.name] for one in table.columns if one.name not in {*keys, *keep}}
        statement: Insert = insert.on_conflict_do_update(index_elements=keys, set_=replaced)
        return statement

    def insert_new(self, table: Table) -> Insert:
        """INSERT that leaves a row with the same primary key as it is."""
        keys = [column.name for column in table.primary_key]
        statement: Insert = self.insert(table).on_conflict_do_nothing(index_elements=keys)
        return statement

    async def close(self) -> None:
        """Write what is queued and close every connection."""
        await self.writer.close()
        # The last connection truncates the write-ahead log, which may take a moment: not on a cancelled task's time.
        await asyncio.shield(self.engine.dispose())
