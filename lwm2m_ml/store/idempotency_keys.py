"""Keys that make a repeated request harmless, each with the answer that the first one got."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import CursorResult, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """One key; without an answer the first request is under way, or ended with the process that worked on it."""

    key: str
    fingerprint: str | None = None
    answer: bytes | None = None
    created_at: float = field(default_factory=now)


class IdempotencyRepository:
    """Keys, each taken once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = database.insert_new(tables.idempotency_keys)
        table = tables.idempotency_keys
        self._finish = (
            update(table)
            .where(table.c.key == bindparam("of_key"))
            .values(fingerprint=bindparam("new_fingerprint"), answer=bindparam("new_answer"))
        )

    def take(self, record: IdempotencyRecord) -> asyncio.Future[bool]:
        """Reserve a key; the future tells whether it was free."""

        async def insert(connection: AsyncConnection) -> bool:
            done: CursorResult[object] = await connection.execute(self._insert, row_of(record))
            return done.rowcount == 1

        return self._database.writer.run(insert)

    async def get(self, key: str) -> IdempotencyRecord | None:
        """What is known of a key, or None."""
        row = await self._database.row(select(tables.idempotency_keys).where(tables.idempotency_keys.c.key == key))
        return None if row is None else IdempotencyRecord(**row._mapping)

    def finish(self, key: str, fingerprint: str, answer: bytes) -> asyncio.Future[None]:
        """Keep the answer that the first request got."""
        parameters = {"of_key": key, "new_fingerprint": fingerprint, "new_answer": answer}
        return self._database.writer.submit(self._finish, parameters)

    def release(self, key: str) -> asyncio.Future[None]:
        """Give a key back: its request did nothing."""
        return self._database.writer.submit(delete(tables.idempotency_keys).where(tables.idempotency_keys.c.key == key))

    def delete_before(self, created_before: float) -> asyncio.Future[None]:
        """Forget keys that were taken before a time."""
        old = tables.idempotency_keys.c.created_at < created_before
        return self._database.writer.submit(delete(tables.idempotency_keys).where(old))
