"""Counters that never go back, such as the sequence numbers of signed packages."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database


class SequenceNumberRepository:
    """A counter per name, starting at 1."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # An upsert that adds instead of replacing: the row's own value counts, not the one offered.
        self._increase = (
            database.insert(tables.sequence_numbers)
            .values(value=1)
            .on_conflict_do_update(index_elements=["name"], set_={"value": tables.sequence_numbers.c.value + 1})
            .returning(tables.sequence_numbers.c.value)
        )

    async def next(self, name: str) -> int:
        """Increase a counter and return its new value, once that is committed: no value is given twice."""

        async def increase(connection: AsyncConnection) -> int:
            return int((await connection.execute(self._increase, {"name": name})).scalar_one())

        return await self._database.writer.run(increase)

    async def current(self, name: str) -> int:
        """The value given last, 0 when none was."""
        columns = tables.sequence_numbers.c
        row = await self._database.row(select(columns.value).where(columns.name == name))
        return 0 if row is None else int(row.value)
