"""DTLS sessions, sealed, and which of their sequence numbers were given out: the newest session of each identity.

Numbers of a session go up only. Whoever reads a row may open records with it; to seal, it takes numbers out of the row
first, and what was taken is nobody else's, whoever holds the session and whether it is still alive.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.row_statement import Row, RowStatement

TABLE = tables.dtls_sessions


@dataclass(frozen=True, slots=True)
class DtlsSessionRecord:
    """A session of an identity, known by a key, that was last heard from an address."""

    identity: str
    key: str
    address: Sequence[Any]
    """Host and port, for IPv6 also flow and scope."""
    sealed: bytes = field(repr=False)


class Held(NamedTuple):
    """What a holder says of its session: whose device it is, and the token of who acts for that."""

    record: DtlsSessionRecord
    endpoint: str
    token: int
    next_number: int = 0
    """The first number that the holder may not use."""


class DtlsSessionRepository:
    """One row per identity; every method returns when it is on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert = database.insert(TABLE)
        new = insert.excluded
        larger = case((TABLE.c.next_number > new.next_number, TABLE.c.next_number), else_=new.next_number)
        others = {column.name: new[column.name] for column in TABLE.c if column.name not in ("identity", "next_number")}
        upsert = insert.on_conflict_do_update(
            index_elements=["identity"], set_={**others, "next_number": larger}, where=TABLE.c.token <= new.token
        )
        self._put = RowStatement(upsert, [column.name for column in TABLE.c])

    async def keep(self, sessions: Sequence[Held], *, complete: bool) -> frozenset[str]:
        """Store new sessions in place of earlier ones of their identities; returns whose were stored.

        Who acts for a device by an older token than the one that is stored changes nothing.
        """
        now, submit = time.time(), self._database.writer.submit_rows
        commits = {one.record.identity: submit(self._put, _row(one, complete, now)) for one in sessions}
        failures: dict[str, Exception] = {}
        for identity, commit in commits.items():
            try:
                await commit
            except Exception as error:
                failures[identity] = error
        if failures and len(failures) == len(commits):
            raise next(iter(failures.values()))
        return frozenset(commits.keys() - failures.keys())

    async def find(self, keys: Sequence[str]) -> tuple[DtlsSessionRecord, ...]:
        """The sessions that are known by these keys."""
        rows = await self._database.rows(select(TABLE).where(TABLE.c.key.in_(keys)))
        return tuple(map(_record, rows))

    async def of(self, identity: str) -> DtlsSessionRecord | None:
        """The session of an identity."""
        row = await self._database.row(select(TABLE).where(TABLE.c.identity == identity))
        return None if row is None else _record(row)

    async def take(self, identity: str, key: str, count: int) -> tuple[DtlsSessionRecord, int, bool] | None:
        """Give out numbers to whoever goes on with a session; returns it, the first of them, and if it was complete."""
        this = _this(identity, key)

        async def advance(connection: AsyncConnection) -> tuple[DtlsSessionRecord, int, bool] | None:
            row = (await connection.execute(select(TABLE).where(this).with_for_update())).first()
            if row is None:
                return None
            values = {"next_number": row.next_number + count, "complete": False}
            await connection.execute(update(TABLE).where(this).values(values))
            return _record(row), int(row.next_number), bool(row.complete)

        return await self._database.writer.run(advance)

    async def reserve(self, identity: str, key: str, token: int, count: int) -> int | None:
        """Give out more numbers to the holder; None when the session is held by another token, or gone."""
        this = and_(_this(identity, key), TABLE.c.token == token)

        async def advance(connection: AsyncConnection) -> int | None:
            row = (await connection.execute(select(TABLE.c.next_number).where(this).with_for_update())).first()
            if row is None:
                return None
            await connection.execute(update(TABLE).where(this).values(next_number=row.next_number + count))
            return int(row.next_number)

        return await self._database.writer.run(advance)

    async def hold(self, sessions: Sequence[Held]) -> frozenset[str]:
        """Note who holds sessions that were taken, and where they were heard; returns for which that is so."""

        async def note(connection: AsyncConnection) -> frozenset[str]:
            held = set()
            for one in sessions:
                record = one.record
                this = and_(_this(record.identity, record.key), TABLE.c.token <= one.token)
                values = {"token": one.token, "address": list(record.address), "complete": False}
                if (await connection.execute(update(TABLE).where(this).values(values))).rowcount:
                    held.add(record.identity)
            return frozenset(held)

        return await self._database.writer.run(note)

    async def rest(self, sessions: Sequence[Held]) -> None:
        """Store what holders know at last; it is complete where nobody else was given numbers meanwhile."""
        this = and_(
            TABLE.c.identity == bindparam("of_identity"),
            TABLE.c.key == bindparam("of_key"),
            TABLE.c.token == bindparam("of_token"),
            TABLE.c.next_number == bindparam("of_number"),
        )
        statement = (
            update(TABLE)
            .where(this)
            .values(address=bindparam("address"), sealed=bindparam("sealed"), complete=True, saved_at=time.time())
        )
        rows = [
            {
                "of_identity": one.record.identity,
                "of_key": one.record.key,
                "of_token": one.token,
                "of_number": one.next_number,
                "address": list(one.record.address),
                "sealed": one.record.sealed,
            }
            for one in sessions
        ]

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(statement, rows)

        if rows:
            await self._database.writer.run(write)

    async def remove(self, identity: str, key: str | None) -> None:
        """Forget a session, or whatever session an identity has."""
        this = TABLE.c.identity == identity if key is None else _this(identity, key)
        await self._database.writer.submit(delete(TABLE).where(this))

    async def all_are_ours(self) -> None:
        """This process is alone: whoever held the sessions before is gone."""
        await self._database.writer.submit(update(TABLE).where(TABLE.c.token != 0).values(token=0))


def _row(one: Held, complete: bool, saved_at: float) -> Row:
    """In the order of the table's columns."""
    record = one.record
    told = record.identity, record.key, one.endpoint, list(record.address), record.sealed
    return (*told, one.next_number, one.token, complete, saved_at)


def _this(identity: str, key: str) -> Any:
    return and_(TABLE.c.identity == identity, TABLE.c.key == key)


def _record(row: Any) -> DtlsSessionRecord:
    return DtlsSessionRecord(row.identity, row.key, row.address, row.sealed)
