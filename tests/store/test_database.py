"""Reads, and statements that both dialects know."""

import pytest
from sqlalchemy import select, text

from lwm2m_ml.errors import UsageError
from lwm2m_ml.store.database import Database, create_engine, parse_url
from lwm2m_ml.store.errors import StoreError
from lwm2m_ml.store.migrate import upgrade
from lwm2m_ml.store.tables import sequence_numbers


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:////tmp/x.sqlite3", "sqlite+aiosqlite"),
        ("sqlite+pysqlite:////tmp/x.sqlite3", "sqlite+aiosqlite"),
        ("postgresql://host/name", "postgresql+asyncpg"),
    ],
)
def test_a_url_gets_the_asynchronous_driver(url: str, driver: str) -> None:
    assert parse_url(url).drivername == driver


def test_another_kind_of_database_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="mysql"):
        parse_url("mysql://host/name")


async def test_upsert_replaces_and_insert_new_keeps(url: str) -> None:
    await upgrade(url)
    database = Database(create_engine(url))
    await database.writer.submit(database.upsert(sequence_numbers), {"name": "a", "value": 1})
    await database.writer.submit(database.insert_new(sequence_numbers), {"name": "a", "value": 2})
    query = select(sequence_numbers.c.value)
    assert [row.value for row in await database.rows(query)] == [1]
    await database.writer.submit(database.upsert(sequence_numbers), {"name": "a", "value": 3})
    row = await database.row(query)
    assert row is not None
    assert row.value == 3
    await database.close()


async def test_a_failing_read_is_a_store_error(url: str) -> None:
    await upgrade(url)
    database = Database(create_engine(url))
    with pytest.raises(StoreError, match="no such table"):
        await database.rows(text("SELECT * FROM missing"))
    await database.close()


async def test_writes_survive_a_power_cut_and_reads_do_not_block_them(url: str) -> None:
    await upgrade(url)
    database = Database(create_engine(url))
    assert [tuple(row) for row in await database.rows(text("PRAGMA journal_mode"))] == [("wal",)]
    assert [tuple(row) for row in await database.rows(text("PRAGMA synchronous"))] == [(2,)]
    async with database.engine.connect() as reader:
        await reader.execute(select(sequence_numbers))
        await database.writer.submit(database.upsert(sequence_numbers), {"name": "a", "value": 1})
    await database.close()
