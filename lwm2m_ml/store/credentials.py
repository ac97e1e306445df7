"""What devices prove themselves with; secrets are sealed by whoever stores them here."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """One credential of an endpoint; `facts` is public, `secret` is encrypted."""

    id: str
    endpoint: str
    kind: str
    identity: str
    facts: Mapping[str, Any]
    secret: bytes = field(repr=False)
    created_at: float = field(default_factory=now)
    expires_at: float | None = None
    revoked_at: float | None = None


class CredentialRepository:
    """Credentials by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.credentials, keep=("created_at",))

    def put(self, records: Sequence[CredentialRecord]) -> asyncio.Future[None]:
        """Store credentials in place of earlier ones with their ids: all of them or none."""
        return self._database.writer.submit_all([(self._put, row_of(record)) for record in records])

    def delete(self, credential_id: str) -> asyncio.Future[None]:
        """Forget a credential."""
        table = tables.credentials
        return self._database.writer.submit(delete(table).where(table.c.id == credential_id))

    async def all(self) -> tuple[CredentialRecord, ...]:
        """Every credential, by endpoint, oldest first."""
        columns = tables.credentials.c
        statement = select(tables.credentials).order_by(columns.endpoint, columns.created_at, columns.id)
        rows = await self._database.rows(statement)
        return tuple(CredentialRecord(**{**row._mapping, "secret": bytes(row.secret)}) for row in rows)
