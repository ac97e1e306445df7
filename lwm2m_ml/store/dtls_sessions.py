"""DTLS sessions at rest, sealed: they are taken out by the process that goes on with them."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database


@dataclass(frozen=True, slots=True)
class DtlsSessionRecord:
    """A session of an identity that was last heard from an address."""

    identity: str
    address: Sequence[Any]
    """Host and port, for IPv6 also flow and scope."""
    sealed: bytes = field(repr=False)


class DtlsSessionRepository:
    """What rests here is used by nobody; every method returns when it is on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_all(self) -> tuple[DtlsSessionRecord, ...]:
        """Every session, in the order in which they were saved; none is left."""
        table = tables.dtls_sessions

        async def take(connection: AsyncConnection) -> tuple[DtlsSessionRecord, ...]:
            rows = (await connection.execute(delete(table).returning(table))).all()
            ordered = sorted(rows, key=lambda row: int(row.id))
            return tuple(DtlsSessionRecord(row.identity, row.address, row.sealed) for row in ordered)

        return await self._database.writer.run(take)

    async def save_all(self, sessions: Iterable[DtlsSessionRecord]) -> None:
        """Keep sessions until they are taken."""
        now = time.time()
        rows = [
            {"identity": one.identity, "address": list(one.address), "sealed": one.sealed, "saved_at": now}
            for one in sessions
        ]

        async def save(connection: AsyncConnection) -> None:
            if rows:
                await connection.execute(tables.dtls_sessions.insert(), rows)

        await self._database.writer.run(save)
