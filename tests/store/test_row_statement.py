"""Many rows in one statement say the same as one statement for each."""

import sqlite3

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Delete,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    insert,
)
from sqlalchemy.dialects import sqlite

from lwm2m_ml.store.row_statement import LARGEST_CHUNK, DriverStatement, RowStatement

TABLE = Table(
    "things",
    MetaData(),
    Column("name", String, primary_key=True),
    Column("flag", Boolean),
    Column("document", JSON),
    Column("left_out", Integer),
)
ROWS = st.lists(
    st.tuples(st.text(max_size=4), st.booleans() | st.none(), st.lists(st.integers(-9, 9), max_size=3)), max_size=600
)


def driver_statement(statement: Insert | Delete, *columns: str) -> DriverStatement:
    return DriverStatement(RowStatement(statement, columns), sqlite.dialect())


def test_columns_are_in_the_order_of_the_table() -> None:
    assert RowStatement(insert(TABLE), ("document", "name")).columns == ("name", "document")


def test_the_text_has_a_place_for_every_value() -> None:
    statement = driver_statement(insert(TABLE), "name", "flag")
    assert statement.text(1) == "INSERT INTO things (name, flag) VALUES (?, ?)"
    assert statement.text(3) == "INSERT INTO things (name, flag) VALUES (?, ?), (?, ?), (?, ?)"


def test_values_are_written_as_sqlalchemy_writes_them() -> None:
    statement = driver_statement(insert(TABLE), "name", "flag", "document")
    assert statement.parameters([("a", True, [1]), ("b", None, {})]) == ["a", 1, "[1]", "b", None, "{}"]


@given(st.integers(0, 5 * LARGEST_CHUNK))
def test_chunks_are_whole_in_order_and_few(count: int) -> None:
    statement = driver_statement(insert(TABLE), "name")
    rows = [(str(number),) for number in range(count)]
    chunks = list(statement.chunks(rows))
    assert [row for chunk in chunks for row in chunk] == rows
    assert {len(chunk) for chunk in chunks} <= {1 << bit for bit in range(LARGEST_CHUNK.bit_length())}
    assert len(chunks) <= count // LARGEST_CHUNK + LARGEST_CHUNK.bit_length()


@given(ROWS)
def test_what_is_inserted_in_chunks_can_be_read_and_deleted(rows: list[tuple[str, bool | None, list[int]]]) -> None:
    upsert = sqlite.insert(TABLE)
    upsert = upsert.on_conflict_do_update(
        index_elements=["name"], set_={"flag": upsert.excluded.flag, "document": upsert.excluded.document}
    )
    put = driver_statement(upsert, "name", "flag", "document")
    remove = driver_statement(delete(TABLE).where(TABLE.c.name == bindparam("name")), "name")
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE things (name TEXT PRIMARY KEY, flag BOOLEAN, document JSON, left_out INTEGER)")
    for chunk in put.chunks(rows):
        database.execute(put.text(len(chunk)), put.parameters(chunk))
    selected = database.execute("SELECT name, flag, document FROM things")
    found = {name: tuple(rest) for name, *rest in selected}
    assert found == {name: (flag, str(document)) for name, flag, document in rows}
    for chunk in remove.chunks([(name,) for name in found]):
        database.execute(remove.text(len(chunk)), remove.parameters(chunk))
    assert database.execute("SELECT count(*) FROM things").fetchone() == (0,)
    database.close()
