"""One statement for rows that come by the ten thousand: compiled once, handed to the driver many rows at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

from sqlalchemy import Delete, Dialect, Executable, Insert

from lwm2m_ml.store.commit import Commit

Row = tuple[Any, ...]

LARGEST_CHUNK = 256
"""Rows in one INSERT. SQLite takes 32,766 parameters."""


class RowStatement:
    """An INSERT or DELETE, and the columns that each of its rows gives values for, in the order of the table.

    Rows for different tables may change places on their way to the disk, rows for one table never do.
    """

    def __init__(self, statement: Insert | Delete, columns: Iterable[str]) -> None:
        """A DELETE names its parameters like the columns."""
        self.statement = statement
        self.table = statement.table
        wanted = frozenset(columns)
        self.columns = tuple(column.name for column in self.table.c if column.name in wanted)
        self.row_of: Callable[[Any], Row] = attrgetter(*self.columns)
        """The row of a record that has the columns as attributes."""


class RowWrite(Commit):
    """Rows on their way to the disk, all of them or none."""

    __slots__ = ("rows", "statement")

    def __init__(self, statement: RowStatement, rows: Sequence[Row]) -> None:
        self._settled = False  # what Commit does, which is a call more for each of ten thousand
        self._error = None
        self._listeners = []
        self.statement = statement
        self.rows = rows

    def executions(self) -> list[tuple[Executable, dict[str, Any]]]:
        """The same for SQLAlchemy: a statement with parameters for each row."""
        names = self.statement.columns
        return [(self.statement.statement, dict(zip(names, row, strict=True))) for row in self.rows]


class DriverStatement:
    """A `RowStatement` for SQLite's driver: its SQL for a number of rows, and their values as parameters."""

    def __init__(self, rows: RowStatement, dialect: Dialect) -> None:
        text = str(rows.statement.compile(dialect=dialect, column_keys=list(rows.columns)))
        self.largest = LARGEST_CHUNK if isinstance(rows.statement, Insert) else 1
        """How many rows one execution takes."""
        self._one = f"({', '.join(['?'] * len(rows.columns))})"
        self._head, _, self._tail = text.partition(self._one)
        types = [rows.table.c[name].type.dialect_impl(dialect) for name in rows.columns]
        processors = [kind.bind_processor(dialect) for kind in types]
        self._processors = [(at, process) for at, process in enumerate(processors) if process is not None]
        self._texts: dict[int, str] = {}

    def text(self, count: int) -> str:
        """The SQL for so many rows, `largest` at most."""
        known = self._texts.get(count)
        if known is None:
            places = ", ".join([self._one] * count) if self.largest > 1 else ""
            known = self._texts[count] = self._head + places + self._tail
        return known

    def parameters(self, rows: Sequence[Row]) -> list[Any]:
        """The values of these rows, one after the other."""
        by_column: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for at, process in self._processors:
            by_column[at] = map(process, by_column[at])
        return list(chain.from_iterable(zip(*by_column, strict=True)))

    def chunks(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """Cut into powers of two, so that few different texts have to be prepared."""
        start, size = 0, self.largest
        while start < len(rows):
            while size > len(rows) - start:
                size //= 2
            yield rows[start : start + size]
            start += size
