"""The database full, gone, locked or broken: what is not on disk is not acknowledged, and all goes on afterwards."""

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from lwm2m_ml.store import Store, StoreError
from lwm2m_ml.store.credentials import CredentialRecord
from lwm2m_ml.store.errors import StoreFull, StoreUnavailable
from lwm2m_ml.store.results import ResultRecord
from lwm2m_ml.store.sqlite_rows import SqliteRows

PATIENCE = 60.0
PLENTY = 1 << 30


@pytest.fixture
def path(url: str) -> Path:
    return Path(url.removeprefix("sqlite+aiosqlite:///"))


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """In a file; PostgreSQL has its own faults."""
    store = await Store.open(url)
    yield store
    await store.close()


class Room:
    """How many pages the file may have, told to every connection that writes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pages = PLENTY
        event.listen(store._database.engine.sync_engine, "begin", self._tell)

    async def give(self, pages: int) -> None:
        self._pages = pages
        rows = self._store.writer._rows
        assert isinstance(rows, SqliteRows)
        await asyncio.get_running_loop().run_in_executor(rows._thread, lambda: rows._driver().execute(self._limit))

    @property
    def _limit(self) -> str:
        return f"PRAGMA max_page_count = {self._pages}"

    def _tell(self, connection: Connection) -> None:
        connection.exec_driver_sql(self._limit)


def result(number: int, *, size: int = 0) -> ResultRecord:
    return ResultRecord("device", "digits", number, 7, label="x" * size)


def credential(number: int, *, size: int = 0) -> CredentialRecord:
    return CredentialRecord(str(number), "device", "psk", str(number), {}, b"x" * size)


async def kept(store: Store) -> set[int]:
    return {record.number for record in await store.results.of_endpoint("device")}


async def test_a_full_database_refuses_says_so_and_goes_on_when_there_is_room(store: Store) -> None:
    room = Room(store)
    await store.results.add(result(0))
    await room.give(1)  # no less than it has
    outcomes = await asyncio.gather(*map(settled, (store.results.add(result(n, size=9_000)) for n in range(1, 40))))
    assert StoreFull in {type(outcome) for outcome in outcomes}
    with pytest.raises(StoreFull, match="no room left"):
        await store.credentials.put([credential(1, size=400_000)])
    assert isinstance(store.writer.durability.trouble, StoreFull)
    assert await kept(store) == {0} | {n for n, outcome in enumerate(outcomes, 1) if outcome is None}
    await room.give(PLENTY)
    await store.results.add(result(100, size=9_000))
    assert store.writer.durability.trouble is None
    await store.credentials.put([credential(1, size=400_000)])
    assert 100 in await kept(store)


def there(path: Path) -> bool:
    return path.exists()


async def settled(commit: "asyncio.Future[None] | object") -> StoreError | None:
    """How a write went."""
    try:
        await commit  # type: ignore[misc]
    except StoreError as error:
        return error
    return None


async def test_what_would_go_into_a_file_that_is_gone_is_refused_until_it_is_back(store: Store, path: Path) -> None:
    await store.results.add(result(1))
    files = [path, *path.parent.glob(f"{path.name}-*")]
    away = path.parent / "away"
    away.mkdir()
    for file in files:
        file.rename(away / file.name)
    for write in (store.results.add(result(2)), store.credentials.put([credential(1)])):
        assert isinstance(await settled(write), StoreUnavailable)
    assert isinstance(store.writer.durability.trouble, StoreUnavailable)
    assert not there(path), "an empty database was put in its place"
    for file in files:
        (away / file.name).rename(file)
    await store.results.add(result(3))
    await store.credentials.put([credential(2)])
    assert store.writer.durability.trouble is None
    assert await kept(store) == {1, 3}


async def test_a_new_connection_makes_no_new_database(store: Store, path: Path) -> None:
    await store._database.engine.dispose()
    os.rename(path, path.with_suffix(".away"))
    with pytest.raises(StoreUnavailable):
        await store.tokens.count()
    assert not there(path)
    os.rename(path.with_suffix(".away"), path)
    assert await store.tokens.count() == 0


async def test_on_a_disk_that_stands_still_writes_wait_and_nobody_is_told_too_early(store: Store, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    commit = store.results.add(result(1))
    future = store.credentials.put([credential(1)])
    await asyncio.sleep(0.3)
    assert not commit.settled
    assert not future.done()
    other.execute("COMMIT")
    other.close()
    await commit
    await future
    assert store.writer.durability.trouble is None


@contextmanager
def disk_of_1_mb(place: Path) -> Iterator[Path]:
    """A file system of 1 MB where anybody may write."""
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    with disk_of_1_mb(place) as disk:
        yield disk


def fill(disk: Path) -> Path:
    """Write a file until there is no room left."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4_096)):
            pass
    return ballast


async def refuses_while_full(store: Store, disk: Path) -> None:
    """Fill the disk of the results, and make room again."""
    await store.results.add(result(0))
    ballast = fill(disk)
    outcomes = [await settled(store.results.add(result(n, size=6_000))) for n in range(1, 90)]
    assert isinstance(outcomes[-1], StoreFull)
    assert isinstance(store.writer.durability.trouble, StoreFull)
    ballast.unlink()
    await store.results.add(result(100))
    assert store.writer.durability.trouble is None
    assert await kept(store) == {0, 100} | {n for n, outcome in enumerate(outcomes, 1) if outcome is None}


async def test_a_disk_without_room_refuses_and_goes_on_when_there_is_some(small_disk: Path) -> None:
    store = await Store.open(f"sqlite+aiosqlite:///{small_disk / 'one.sqlite3'}")
    await refuses_while_full(store, small_disk)
    await store.close()


WRITE_ON = """
import asyncio, sys
from lwm2m_ml.store import Store, StoreError
from lwm2m_ml.store.results import ResultRecord

async def main():
    store = await Store.open(sys.argv[1])
    for number in range(1, 100_000):
        try:
            await store.results.add(ResultRecord("device", "digits", number, 7, label="x" * 2_000))
        except StoreError as error:
            print("failed", type(error).__name__, flush=True)
            await asyncio.sleep(0.05)
        else:
            print("kept", number, flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of other processes can only be set on Linux")
async def test_a_disk_that_fails_refuses_and_nothing_that_was_acknowledged_is_lost_by_kill_9(url: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITE_ON, url, stdout=asyncio.subprocess.PIPE)
    out = process.stdout
    assert out is not None
    acknowledged: set[int] = set()

    async def until(wanted: bytes, times: int) -> None:
        while times and (line := await out.readline()):
            kind, _, what = line.partition(b" ")
            if kind == b"kept":
                acknowledged.add(int(what))
            times -= kind == wanted

    async with asyncio.timeout(PATIENCE):
        await until(b"kept", 20)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY))
        await until(b"failed", 3)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until(b"kept", 20)
        os.kill(process.pid, signal.SIGKILL)
        await until(b"", -1)
        await process.wait()
    process._transport.close()  # type: ignore[attr-defined]
    store = await Store.open(url)
    assert acknowledged <= await kept(store)
    await store.close()
