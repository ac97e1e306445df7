"""Database errors become sentences."""

import sqlite3

import pytest
from sqlalchemy import exc

from lwm2m_ml.store.errors import RecordConflict, StoreError, StoreFull, StoreOverloaded, StoreUnavailable, translate


class ServerError(Exception):
    """What a driver of PostgreSQL raises."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exc.IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE constraint failed: a.b")), RecordConflict),
        (exc.OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full")), StoreFull),
        (exc.OperationalError("BEGIN", {}, sqlite3.OperationalError("database is locked")), StoreUnavailable),
        (exc.DatabaseError("SELECT", {}, sqlite3.DatabaseError("file is not a database")), StoreUnavailable),
        (exc.ProgrammingError("SELECT", {}, sqlite3.ProgrammingError("near x")), StoreError),
        (exc.DBAPIError("SELECT", {}, ServerError("57P03", "the database system is starting up")), StoreUnavailable),
        (exc.DBAPIError("INSERT", {}, ServerError("25006", "the transaction is read-only")), StoreUnavailable),
        (exc.DBAPIError("SELECT", {}, ServerError("53300", "too many clients already")), StoreUnavailable),
        (exc.DBAPIError("INSERT", {}, ServerError("53100", "could not extend file")), StoreFull),
        (exc.DBAPIError("SELECT", {}, ServerError("42601", "syntax error")), StoreError),
    ],
)
def test_each_kind_has_its_type_and_keeps_the_reason(error: exc.DBAPIError, expected: type[StoreError]) -> None:
    translated = translate(error)
    assert type(translated) is expected
    assert str(error.orig) in str(translated)
    assert "INSERT" not in str(translated)


def test_overload_says_how_much_waits() -> None:
    assert "5 writes" in str(StoreOverloaded(5))
