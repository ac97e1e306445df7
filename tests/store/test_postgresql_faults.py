"""PostgreSQL gone, full or standing still: what is not on its disk is not acknowledged, and all goes on afterwards."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from lwm2m_ml.errors import MissingToolError
from lwm2m_ml.store import Store
from lwm2m_ml.store.database import create_engine
from lwm2m_ml.store.errors import StoreUnavailable
from lwm2m_ml_simulator.cluster.postgresql import PostgreSql, postgresql
from tests.lost_connections import LOST_CONNECTIONS
from tests.store.test_faults import credential, disk_of_1_mb, kept, refuses_while_full, result, settled

pytestmark = LOST_CONNECTIONS

PATIENCE = 60.0


@pytest.fixture
def mortal() -> Iterator[PostgreSql]:
    """A server of its own, which keeps what it acknowledges."""
    pytest.importorskip("asyncpg", reason="the extra [cluster] is not installed")
    try:
        with postgresql() as found:
            yield found
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture
async def store(postgresql_url: str) -> AsyncIterator[Store]:
    store = await Store.open(postgresql_url)
    yield store
    await store.close()


async def test_a_server_that_crashes_and_comes_back_has_all_that_was_acknowledged(mortal: PostgreSql) -> None:
    store = await Store.open(mortal.url())
    acknowledged: set[int] = set()
    refused: list[StoreUnavailable] = []
    number = 0

    async def write() -> None:
        nonlocal number
        number += 1
        mine = number
        outcome = await settled(store.results.add(result(mine)))
        if outcome is None:
            acknowledged.add(mine)
        else:
            assert isinstance(outcome, StoreUnavailable)
            refused.append(outcome)

    async def until_acknowledged(more: int) -> None:
        enough = len(acknowledged) + more
        async with asyncio.timeout(PATIENCE):
            while len(acknowledged) < enough:
                await asyncio.gather(*(write() for _ in range(20)))

    await until_acknowledged(100)
    under_way = asyncio.gather(*(write() for _ in range(200)))
    await asyncio.to_thread(mortal.crash)
    await under_way
    await write()
    assert refused
    assert isinstance(store.writer.durability.trouble, StoreUnavailable)
    with pytest.raises(StoreUnavailable):
        await store.tokens.count()
    await asyncio.to_thread(mortal.start)
    await until_acknowledged(100)
    assert store.writer.durability.trouble is None
    assert acknowledged <= await kept(store)
    await store.close()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Where the server's user may write, too."""
    place = Path(tempfile.mkdtemp(prefix="lwm2m-ml-small-"))
    place.chmod(0o755)
    try:
        with disk_of_1_mb(place) as disk:
            yield disk
    finally:
        place.rmdir()


async def outside(url: str, *statements: str) -> None:
    """Have the server do something by a connection of our own, outside of transactions."""
    engine = create_engine(url).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


async def test_a_server_without_room_refuses_says_so_and_goes_on_when_there_is_some(
    store: Store, postgresql_url: str, small_disk: Path
) -> None:
    folder = small_disk / "space"
    folder.mkdir()
    with suppress(LookupError):  # where there is no such user the server is ours
        shutil.chown(folder, "postgres")
    await outside(
        postgresql_url,
        f"CREATE TABLESPACE small LOCATION '{folder}'",
        "ALTER TABLE results SET TABLESPACE small",
    )
    try:
        await refuses_while_full(store, small_disk)
    finally:
        await outside(postgresql_url, "ALTER TABLE results SET TABLESPACE pg_default", "DROP TABLESPACE small")


async def test_while_the_server_stands_still_writes_wait_and_nobody_is_told_too_early(
    store: Store, postgresql_url: str
) -> None:
    engine = create_engine(postgresql_url)
    async with engine.connect() as other:
        await other.execute(text("LOCK TABLE results, credentials IN ACCESS EXCLUSIVE MODE"))
        commit = store.results.add(result(1))
        future = store.credentials.put([credential(1)])
        await asyncio.sleep(0.3)
        assert not commit.settled
        assert not future.done()
        await other.rollback()
    await engine.dispose()
    await commit
    await future
    assert store.writer.durability.trouble is None
