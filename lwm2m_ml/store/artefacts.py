"""Artefacts: bytes under their SHA-256 digest (model files, signed packages)."""

import hashlib
from collections.abc import Iterable

from sqlalchemy import delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database


class ArtefactRepository:
    """Content-addressed bytes; the same content is stored once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = database.insert_new(tables.artefacts)

    async def put(self, content: bytes, digest: str | None = None) -> str:
        """Store bytes and return their digest once they are committed; it is not computed where it is given."""
        digest = digest or hashlib.sha256(content).hexdigest()
        row = {"digest": digest, "content": content, "created_at": now()}
        await self._database.writer.submit(self._insert, row)
        return digest

    async def delete_all(self, digests: Iterable[str]) -> None:
        """Forget artefacts, whoever may still name them."""
        condition = tables.artefacts.c.digest.in_(list(digests))
        await self._database.writer.submit(delete(tables.artefacts).where(condition))

    async def has(self, digest: str) -> bool:
        """Whether the bytes of a digest are here; they are not read."""
        found = select(tables.artefacts.c.digest).where(tables.artefacts.c.digest == digest)
        return await self._database.row(found) is not None

    async def get(self, digest: str) -> bytes | None:
        """The bytes of a digest, or None."""
        row = await self._database.row(select(tables.artefacts.c.content).where(tables.artefacts.c.digest == digest))
        return None if row is None else bytes(row.content)
