"""Modules of explanations, to be downloaded, in ZIP archives: kept for a while, since they can be compiled again."""

import asyncio
import hashlib

from sqlalchemy import delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database


class ExplanationArchiveRepository:
    """Archives by their SHA-256 digest."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.explanation_archives)

    async def put(self, content: bytes) -> str:
        """Store an archive, which is new from now on, and return its digest once it is committed."""
        digest = hashlib.sha256(content).hexdigest()
        row = {"digest": digest, "content": content, "created_at": now()}
        await self._database.writer.submit(self._put, row)
        return digest

    async def get(self, digest: str) -> bytes | None:
        """The archive of a digest, or None."""
        columns = tables.explanation_archives.c
        row = await self._database.row(select(columns.content).where(columns.digest == digest))
        return None if row is None else bytes(row.content)

    def delete_before(self, time: float) -> asyncio.Future[None]:
        """Forget the archives that were put before a time."""
        archives = tables.explanation_archives
        return self._database.writer.submit(delete(archives).where(archives.c.created_at < time))
