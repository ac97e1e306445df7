"""Digests of the API's access tokens; the tokens themselves are never stored."""

from dataclasses import dataclass, field

from sqlalchemy import delete, func, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """One token: its digest, its scope, what its owner calls it, and when it ends, if ever."""

    hash: str
    scope: str
    label: str
    created_at: float = field(default_factory=now)
    expires_at: float | None = None


class TokenRepository:
    """Tokens by digest."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.tokens, keep=("created_at",))

    async def add(self, digest: str, *, scope: str, label: str, expires_at: float | None = None) -> TokenRecord:
        """Store a token's digest."""
        record = TokenRecord(digest, scope, label, expires_at=expires_at)
        await self._database.writer.submit(self._put, row_of(record))
        return record

    async def find(self, digest: str) -> TokenRecord | None:
        """The token with this digest, or None."""
        row = await self._database.row(select(tables.tokens).where(tables.tokens.c.hash == digest))
        return None if row is None else TokenRecord(**row._mapping)

    async def count(self) -> int:
        """How many tokens there are."""
        row = await self._database.row(select(func.count()).select_from(tables.tokens))
        return 0 if row is None else int(row[0])

    async def all(self) -> tuple[TokenRecord, ...]:
        """Every token, oldest first."""
        statement = select(tables.tokens).order_by(tables.tokens.c.created_at, tables.tokens.c.hash)
        return tuple(TokenRecord(**row._mapping) for row in await self._database.rows(statement))

    async def delete(self, digest: str) -> None:
        """Forget a token."""
        await self._database.writer.submit(delete(tables.tokens).where(tables.tokens.c.hash == digest))
