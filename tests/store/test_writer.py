"""Group commit: acknowledged means committed, order is kept, a failure is its author's alone."""

import asyncio
import gc
import os
import signal
import sqlite3
import sys
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, delete, event, insert, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_ml.store import RecordConflict, Store
from lwm2m_ml.store.database import PRAGMAS, Database, create_engine, create_plain_engine
from lwm2m_ml.store.database_file import DatabaseFile
from lwm2m_ml.store.errors import StoreClosed, StoreOverloaded, StoreUnavailable
from lwm2m_ml.store.migrate import upgrade
from lwm2m_ml.store.row_statement import RowStatement, RowWrite
from lwm2m_ml.store.sqlite_rows import SqliteRows
from lwm2m_ml.store.tables import device_profiles, sequence_numbers
from lwm2m_ml.store.writer import MAXIMUM_BATCH, ROUND, SETTLED_AT_ONCE, Writer, batch_size, by_statement

INSERT = insert(sequence_numbers)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    await upgrade(url)
    database = Database(create_engine(url))
    yield database
    await database.close()


async def names(database: Database) -> set[str]:
    return {row.name for row in await database.rows(select(sequence_numbers.c.name))}


async def test_a_resolved_future_means_the_row_is_there(database: Database) -> None:
    await database.writer.submit(INSERT, {"name": "one", "value": 1})
    assert await names(database) == {"one"}


async def test_writes_are_done_in_order_of_submission(database: Database) -> None:
    writer = database.writer
    writer.submit(INSERT, {"name": "one", "value": 1})
    writer.submit(text("UPDATE sequence_numbers SET value = 2"))
    writer.submit(INSERT, {"name": "two", "value": 1})
    await writer.submit(text("UPDATE sequence_numbers SET value = value * 10"))
    values = {row.name: row.value for row in await database.rows(select(sequence_numbers))}
    assert values == {"one": 20, "two": 10}


async def test_many_writes_share_a_transaction(database: Database) -> None:
    commits = 0

    def count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(database.engine.sync_engine, "commit", count)
    futures = [database.writer.submit(INSERT, {"name": str(number), "value": 0}) for number in range(1000)]
    await asyncio.gather(*futures)
    assert commits <= 2
    assert len(await names(database)) == 1000


async def test_what_was_written_is_not_held_any_more(database: Database) -> None:
    async def nothing(_connection: AsyncConnection) -> None:
        """Stand for a body of many megabytes."""

    held = weakref.ref(nothing)
    await database.writer.run(nothing)
    del nothing
    gc.collect()
    assert held() is None


async def test_a_failing_statement_fails_alone(database: Database) -> None:
    futures = [database.writer.submit(INSERT, {"name": name, "value": 0}) for name in ("a", "b", "a", "c")]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), RecordConflict, type(None)]
    assert await names(database) == {"a", "b", "c"}


async def test_statements_submitted_together_are_written_together_or_not_at_all(database: Database) -> None:
    before = database.writer.submit(INSERT, {"name": "before", "value": 0})
    together = database.writer.submit_all(
        [(INSERT, {"name": "x", "value": 0}), (INSERT, {"name": "before", "value": 0})]
    )
    with pytest.raises(RecordConflict, match="contradicts"):
        await together
    await before
    assert await names(database) == {"before"}


async def test_a_function_returns_its_result_after_the_commit(database: Database) -> None:
    async def write_and_count(connection: AsyncConnection) -> int:
        await connection.execute(INSERT, {"name": "one", "value": 1})
        return len((await connection.execute(select(sequence_numbers))).all())

    assert await database.writer.run(write_and_count) == 1
    assert await names(database) == {"one"}


async def test_an_error_of_a_function_rolls_back_only_what_it_wrote(database: Database) -> None:
    async def fail(connection: AsyncConnection) -> None:
        await connection.execute(INSERT, {"name": "of the failed", "value": 1})
        raise ValueError("no")

    failed = database.writer.run(fail)
    fine = database.writer.submit(INSERT, {"name": "fine", "value": 1})
    with pytest.raises(ValueError, match="no"):
        await failed
    await fine
    assert await names(database) == {"fine"}


async def test_a_caller_that_went_away_still_gets_its_write(database: Database) -> None:
    future = database.writer.submit(INSERT, {"name": "one", "value": 1})
    future.cancel()
    await database.writer.flush()
    assert await names(database) == {"one"}


async def test_close_writes_what_is_queued_and_then_refuses(url: str) -> None:
    await upgrade(url)
    database = Database(create_engine(url))
    future = database.writer.submit(INSERT, {"name": "late", "value": 1})
    await database.close()
    assert future.done()
    with pytest.raises(StoreClosed):
        database.writer.submit(INSERT, {"name": "too late", "value": 1})
    again = Database(create_engine(url))
    assert await names(again) == {"late"}
    await again.close()


async def test_more_waiting_writes_than_the_limit_are_refused(url: str) -> None:
    await upgrade(url)
    engine = create_engine(url)
    writer = Writer(engine, maximum_waiting=3)
    for number in range(3):
        writer.submit(INSERT, {"name": str(number), "value": 0})
    with pytest.raises(StoreOverloaded, match="3 writes"):
        writer.submit(INSERT, {"name": "3", "value": 0})
    await writer.close()
    await engine.dispose()


async def test_a_database_that_refuses_to_commit_fails_the_batch_with_a_sentence(url: str) -> None:
    await upgrade(url)
    engine = create_engine(url)
    writer = Writer(engine)
    async with engine.connect() as other:
        await other.execution_options(lwm2m_ml_writer=True)
        await other.execute(text("SELECT 1"))
        async with engine.connect() as impatient:
            await impatient.exec_driver_sql("PRAGMA busy_timeout = 1")
        blocked = [writer.submit(INSERT, {"name": str(number), "value": 0}) for number in range(2)]
        outcomes = await asyncio.gather(*blocked, return_exceptions=True)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    assert "not usable" in str(outcomes[0])
    await writer.submit(INSERT, {"name": "afterwards", "value": 0})
    await writer.close()
    await engine.dispose()


# Rows


PUT = RowStatement(sqlite.insert(sequence_numbers), ("name", "value"))
OTHERS = RowStatement(sqlite.insert(device_profiles), ("endpoint", "profile", "updated_at"))


async def values(database: Database) -> dict[str, int]:
    return {row.name: row.value for row in await database.rows(select(sequence_numbers))}


@pytest.fixture(params=[True, False], ids=["by the driver", "by SQLAlchemy"])
async def rows_database(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Database]:
    """The short way, and the one of databases that have none."""
    await upgrade(url)
    database = Database(create_engine(url))
    if not request.param:
        await database.writer.close()
        database.writer = Writer(database.engine)
    yield database
    await database.close()


async def test_rows_are_there_when_their_commit_is_settled(rows_database: Database) -> None:
    commits = [rows_database.writer.submit_rows(PUT, (str(number), number)) for number in range(700)]
    for commit in commits:
        await commit
    assert await values(rows_database) == {str(number): number for number in range(700)}


async def test_flush_returns_when_everybody_has_heard_of_their_rows(rows_database: Database) -> None:
    told: list[Exception | None] = []
    for number in range(1_000):
        rows_database.writer.submit_rows(PUT, (str(number), number)).then(told.append)
    await rows_database.writer.flush()
    assert told == [None] * 1_000


async def test_others_get_their_turn_while_a_large_batch_is_told(database: Database) -> None:
    told: list[Exception | None] = []
    seen: set[int] = set()
    count = 16 * ROUND
    for number in range(count):
        database.writer.submit_rows(PUT, (str(number), number)).then(told.append)
    async with asyncio.timeout(20):
        while len(told) < count:
            seen.add(len(told))
            await asyncio.sleep(0)
    assert set(range(0, count, SETTLED_AT_ONCE)) <= seen


def test_a_batch_is_a_round_number_of_what_waits_unless_that_is_little() -> None:
    assert [batch_size(waiting) for waiting in (0, 1, 63, 64, 65, 127, 128, 1_000)] == [0, 1, 63, 64, 64, 64, 128, 960]
    assert batch_size(1_000_000) == MAXIMUM_BATCH


async def test_the_only_statement_of_a_batch_needs_no_others_to_be_a_transaction(database: Database) -> None:
    ran: list[str] = []
    engine = create_plain_engine(database.engine.url)
    event.listen(engine, "connect", lambda driver, _record: driver.set_trace_callback(lambda sql: ran.append(sql[:6])))
    rows = SqliteRows(engine, DatabaseFile(Path(str(database.engine.url.database))))
    await rows.write([[RowWrite(PUT, [("first", 0)])]])  # the connection is made
    ran.clear()
    assert await rows.write([[RowWrite(PUT, [(str(number), number)]) for number in range(64)]]) == {}
    assert ran == ["INSERT"]
    assert len(await names(database)) == 65
    failures = await rows.write([[RowWrite(PUT, [("new", 0)]), RowWrite(PUT, [("first", 1)])]])
    assert len(failures) == 1
    assert len(await names(database)) == 66
    await rows.close()


async def test_rows_and_statements_keep_their_order(rows_database: Database) -> None:
    writer = rows_database.writer
    writer.submit_rows(PUT, ("one", 1))
    writer.submit(text("UPDATE sequence_numbers SET value = 2"))
    writer.submit_rows(PUT, ("two", 1), ("three", 5))
    await writer.submit(text("UPDATE sequence_numbers SET value = value * 10"))
    assert await values(rows_database) == {"one": 20, "two": 10, "three": 50}


async def test_a_failing_row_fails_alone(rows_database: Database) -> None:
    commits = [rows_database.writer.submit_rows(PUT, (name, 0)) for name in ("a", "b", "a", "c")]
    outcomes = await asyncio.gather(*commits, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), RecordConflict, type(None)]
    assert await names(rows_database) == {"a", "b", "c"}


async def test_rows_submitted_together_are_written_together_or_not_at_all(rows_database: Database) -> None:
    before = rows_database.writer.submit_rows(PUT, ("before", 0))
    together = rows_database.writer.submit_rows(PUT, ("x", 0), ("before", 0))
    with pytest.raises(RecordConflict, match="contradicts"):
        await together
    await before
    assert await names(rows_database) == {"before"}


async def test_a_value_that_no_column_can_hold_fails_its_row_alone(database: Database) -> None:
    absurd = database.writer.submit_rows(PUT, ("absurd", 1 << 70))
    fine = database.writer.submit_rows(PUT, ("fine", 1))
    with pytest.raises(OverflowError):
        await absurd
    await fine
    assert await names(database) == {"fine"}


async def test_close_writes_the_rows_that_are_queued(url: str) -> None:
    await upgrade(url)
    database = Database(create_engine(url))
    commit = database.writer.submit_rows(PUT, ("late", 1))
    await database.close()
    assert commit.settled
    with pytest.raises(StoreClosed):
        database.writer.submit_rows(PUT, ("too late", 1))


async def test_rows_that_meet_a_locked_database_fail_with_a_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await upgrade(url)
    monkeypatch.setattr("lwm2m_ml.store.database.PRAGMAS", (*PRAGMAS, "PRAGMA busy_timeout = 1"))
    database = Database(create_engine(url))
    path = url.removeprefix("sqlite+aiosqlite:///")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    blocked = [database.writer.submit_rows(PUT, (str(number), 0)) for number in range(2)]
    outcomes = await asyncio.gather(*blocked, return_exceptions=True)
    other.close()
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    await database.writer.submit_rows(PUT, ("afterwards", 0))
    await database.close()


def test_rows_of_one_statement_are_put_together_as_far_as_each_table_keeps_its_order() -> None:
    remove = RowStatement(delete(sequence_numbers).where(sequence_numbers.c.name == bindparam("name")), ("name",))
    queue = [PUT, OTHERS, PUT, remove, OTHERS, PUT]
    writes = [RowWrite(statement, ()) for statement in queue]
    groups = by_statement(writes)
    assert [[writes.index(write) for write in group] for group in groups] == [[0, 2], [1, 4], [3], [5]]


WRITE_UNTIL_KILLED = """
import asyncio, sys
from lwm2m_ml.store import Store
from lwm2m_ml.store.results import ResultRecord

async def client(store, name):
    while True:
        number = await store.sequence_numbers.next(name)
        await store.results.add(ResultRecord(name, "digits", number, 7))
        print(name, number, flush=True)

async def main():
    store = await Store.open(sys.argv[1])
    await asyncio.gather(*(client(store, f"client-{number}") for number in range(8)))

asyncio.run(main())
"""


async def test_nothing_acknowledged_is_lost_by_kill_9(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITE_UNTIL_KILLED, url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    acknowledged: dict[str, int] = {}

    async def note(lines: int | None) -> None:
        while lines is None or lines > 0:
            line = await process.stdout.readline()  # type: ignore[union-attr]
            if not line.endswith(b"\n"):
                return
            name, value = line.split()
            assert int(value) == acknowledged.get(name.decode(), 0) + 1
            acknowledged[name.decode()] = int(value)
            lines = None if lines is None else lines - 1

    await asyncio.wait_for(note(400), 60)
    os.kill(process.pid, signal.SIGKILL)
    await asyncio.wait_for(note(None), 60)
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]
    store = await Store.open(url)
    for name, value in acknowledged.items():
        assert await store.sequence_numbers.current(name) >= value
        assert await store.results.count(name) >= value
    await store.close()
