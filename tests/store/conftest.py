"""A store in a temporary database: in a file of SQLite, and in PostgreSQL where that is installed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import text

from lwm2m_ml.errors import MissingToolError
from lwm2m_ml.store import Store, migrate
from lwm2m_ml.store.tables import metadata
from lwm2m_ml_simulator.cluster.postgresql import PostgreSql, postgresql

numbers = count()
EMPTY_AGAIN = f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSql]:
    pytest.importorskip("asyncpg", reason="the extra [cluster] is not installed")
    try:
        with postgresql(durable=False) as found:
            yield found
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def shared_url(server: PostgreSql) -> str:
    """Of a database that tests use in turn: making one for each would take longer than they do."""
    url = server.create("shared")
    with ThreadPoolExecutor(1) as thread:  # here a loop may be running already
        thread.submit(asyncio.run, migrate.upgrade(url)).result()
    return url


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of an empty database in a file."""
    return f"sqlite+aiosqlite:///{tmp_path / 'test.sqlite3'}"


@pytest.fixture
def postgresql_url(server: PostgreSql) -> str:
    """Of an empty database in a server."""
    return server.create(f"empty{next(numbers)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Of a database that a store is opened at, of either kind."""
    return str(request.getfixturevalue("url" if request.param == "sqlite" else "shared_url"))


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    store = await Store.open(store_url)
    if not store_url.startswith("sqlite"):
        await store.writer.submit(text(EMPTY_AGAIN))
    yield store
    await store.close()
