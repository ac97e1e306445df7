"""Which token the owner of each name has to show: the highest one that was ever given out for it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database


class OwnershipRepository:
    """One row per name that somebody owned."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = tables.ownerships
        insert = database.insert(table)
        self._take = insert.on_conflict_do_update(
            index_elements=["name"],
            set_={"token": insert.excluded.token, "node": insert.excluded.node},
            where=table.c.token < insert.excluded.token,
        ).returning(table.c.token)

    async def take(self, name: str, token: int, node: str) -> bool:
        """Store a new owner's token; False when a later one is there already. True also means: on disk."""
        row = {"name": name, "token": token, "node": node}

        async def take(connection: AsyncConnection) -> bool:
            return (await connection.execute(self._take, row)).first() is not None

        return await self._database.writer.run(take)
