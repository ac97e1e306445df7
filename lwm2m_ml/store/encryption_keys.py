"""The keys of devices that payloads are encrypted for."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database


@dataclass(frozen=True, slots=True)
class EncryptionKeyRecord:
    """The key of a device: `algorithm` of COSE, and the public key, or the sealed one that it shares."""

    endpoint: str
    algorithm: int
    key: bytes = field(repr=False)


class EncryptionKeyRepository:
    """Keys by endpoint; none of them is of use to whoever has the database alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.encryption_keys)
        self._delete = delete(tables.encryption_keys).where(
            tables.encryption_keys.c.endpoint == bindparam("of_endpoint")
        )

    def put(self, record: EncryptionKeyRecord) -> asyncio.Future[None]:
        """Store the key of a device in place of an earlier one."""
        row = {
            "endpoint": record.endpoint,
            "algorithm": record.algorithm,
            "key": record.key,
            "created_at": now(),
        }
        return self._database.writer.submit(self._put, row)

    def delete(self, endpoint: str) -> asyncio.Future[None]:
        """Forget the key of a device."""
        return self._database.writer.submit(self._delete, {"of_endpoint": endpoint})

    async def all(self) -> tuple[EncryptionKeyRecord, ...]:
        """Every key, by endpoint."""
        columns = tables.encryption_keys.c
        query = select(columns.endpoint, columns.algorithm, columns.key).order_by(columns.endpoint)
        rows = await self._database.rows(query)
        return tuple(EncryptionKeyRecord(row.endpoint, row.algorithm, bytes(row.key)) for row in rows)
