"""The public keys of devices that payloads are encrypted for."""

import asyncio

from sqlalchemy import bindparam, delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database


class EncryptionKeyRepository:
    """Public keys by endpoint; nothing here is secret."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.encryption_keys)
        self._delete = delete(tables.encryption_keys).where(
            tables.encryption_keys.c.endpoint == bindparam("of_endpoint")
        )

    def put(self, endpoint: str, public_key: bytes) -> asyncio.Future[None]:
        """Store the key of a device in place of an earlier one."""
        row = {"endpoint": endpoint, "public_key": public_key, "created_at": now()}
        return self._database.writer.submit(self._put, row)

    def delete(self, endpoint: str) -> asyncio.Future[None]:
        """Forget the key of a device."""
        return self._database.writer.submit(self._delete, {"of_endpoint": endpoint})

    async def all(self) -> dict[str, bytes]:
        """Every key by endpoint."""
        columns = tables.encryption_keys.c
        rows = await self._database.rows(select(columns.endpoint, columns.public_key).order_by(columns.endpoint))
        return {row.endpoint: bytes(row.public_key) for row in rows}
