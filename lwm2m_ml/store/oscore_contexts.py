"""What OSCORE contexts must not forget: which sequence numbers were given out, which were seen."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database

Window = tuple[int, int]
"""The highest number seen, and a bit for each number below it."""


class OscoreContextRepository:
    """A counter and a replay window per context; every method returns when it is on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = tables.oscore_contexts
        values = {"next_number": 0, "saved": False, "highest": -1, "seen": "0"}
        insert = database.insert(table).values(**values)
        self._insert = insert.on_conflict_do_nothing(index_elements=["context"])

    async def reserve(self, context: str, count: int) -> int:
        """Count sequence numbers as used; returns the first."""
        table = tables.oscore_contexts

        async def advance(connection: AsyncConnection) -> int:
            await self._know(connection, context)
            this = table.c.context == context
            locked = select(table.c.next_number).where(this).with_for_update()  # other nodes count, too
            first = int((await connection.execute(locked)).scalar_one())
            await connection.execute(table.update().where(this).values(next_number=first + count))
            return first

        return await self._database.writer.run(advance)

    async def take_window(self, context: str) -> Window | None:
        """The window that was saved, or that of a new context, once; None when it was taken and not saved since."""
        table = tables.oscore_contexts

        async def take(connection: AsyncConnection) -> Window | None:
            this = table.c.context == context
            row = (await connection.execute(select(table).where(this).with_for_update())).first()
            await self._know(connection, context)
            await connection.execute(table.update().where(this).values(taken=True, saved=False))
            if row is None or not row.taken:
                return -1, 0
            return (int(row.highest), int(row.seen, 16)) if row.saved else None

        return await self._database.writer.run(take)

    async def save_window(self, context: str, window: Window) -> None:
        """Keep a window until it is taken."""
        table = tables.oscore_contexts
        highest, seen = window

        async def save(connection: AsyncConnection) -> None:
            await self._know(connection, context)
            values = {"taken": True, "saved": True, "highest": highest, "seen": f"{seen:x}"}
            await connection.execute(table.update().where(table.c.context == context).values(**values))

        await self._database.writer.run(save)

    async def _know(self, connection: AsyncConnection, context: str) -> None:
        await connection.execute(self._insert, {"context": context, "taken": False})
