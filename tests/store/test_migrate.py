"""Migrations lead from every revision to the tables of this release, and back."""

import asyncio
import logging
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, func, select
from sqlalchemy.engine import make_url

from lwm2m_ml.store import Store
from lwm2m_ml.store.database import create_engine, create_plain_engine
from lwm2m_ml.store.errors import StoreTooNew
from lwm2m_ml.store.migrate import current_revision, downgrade, revisions, upgrade
from lwm2m_ml.store.tables import metadata


async def test_the_migrations_yield_exactly_the_tables(url: str) -> None:
    await upgrade(url)

    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    engine = create_engine(url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_every_revision_goes_up_and_down(url: str) -> None:
    for revision in revisions():
        await upgrade(url, revision)
        assert await current_revision(url) == revision
    for revision in [*reversed(revisions())][1:]:
        await downgrade(url, revision)
        assert await current_revision(url) == revision
    await downgrade(url, "base")
    assert await current_revision(url) is None
    await upgrade(url)
    assert await current_revision(url) == revisions()[-1]


VALUES: dict[type, object] = {bool: True, int: 1, float: 1.0, str: "1", bytes: b"1", object: {"1": 1}}


def fill_empty_tables(path: str) -> set[str]:
    """Put a row into every table that has none; the same values everywhere, so that references hold."""
    engine = create_plain_engine(make_url(f"sqlite:///{path}"))
    found = MetaData()
    with engine.begin() as connection:
        found.reflect(connection)
        for table in found.sorted_tables:
            if connection.execute(select(func.count()).select_from(table)).scalar_one() == 0:
                row = {column.name: VALUES[column.type.python_type] for column in table.columns}
                connection.execute(table.insert(), row)
    engine.dispose()
    return {table.name for table in found.sorted_tables}


async def test_rows_of_every_release_survive_the_way_to_the_newest_and_back(url: str) -> None:
    path = url.removeprefix("sqlite+aiosqlite:///")
    for revision in revisions():
        await upgrade(url, revision)
        tables = fill_empty_tables(path)
    with sqlite3.connect(path) as connection:
        counts = {one: connection.execute(f"SELECT count(*) FROM {one}").fetchone()[0] for one in tables}  # noqa: S608
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    connection.close()
    assert {one for one, number in counts.items() if number == 0} == set()
    assert broken == []
    for revision in [*reversed(revisions())][1:]:
        await downgrade(url, revision)
        with sqlite3.connect(path) as connection:
            (state,) = connection.execute("PRAGMA integrity_check").fetchone()
            (devices,) = connection.execute("SELECT count(*) FROM registrations").fetchone()
        connection.close()
        assert (state, devices) == ("ok", 1)


async def test_opening_twice_keeps_what_is_stored(url: str) -> None:
    store = await Store.open(url)
    await store.tokens.add("00", scope="admin", label="mine")
    await store.close()
    store = await Store.open(url)
    assert await store.tokens.count() == 1
    await store.close()


async def test_a_database_of_a_newer_release_is_refused_and_left_alone(url: str) -> None:
    await upgrade(url)
    path = url.removeprefix("sqlite+aiosqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreTooNew, match="newer release"):
        await Store.open(url)
    assert await current_revision(url) == "9999"


async def test_the_loop_keeps_turning_while_migrations_run(url: str) -> None:
    turns = 0
    opening = asyncio.create_task(upgrade(url))
    while not opening.done():
        turns += 1
        await asyncio.wait((opening,), timeout=0.001)
    await opening
    assert turns > 3


async def test_logging_is_left_as_it_was(url: str) -> None:
    mine = logging.getLogger("lwm2m_ml.tests.mine")
    root_handlers, root_level = list(logging.getLogger().handlers), logging.getLogger().level
    await upgrade(url)
    assert logging.getLogger().handlers == root_handlers
    assert logging.getLogger().level == root_level
    assert not mine.disabled
