"""What a deployment does to each of its devices."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class DeploymentDeviceRecord:
    """One device of a deployment; sizes in bytes, over-the-air figures None until the transfer ended."""

    deployment_id: str
    endpoint: str
    target: str
    state: str
    reason: str = ""
    variant: str | None = None
    module_digest: str | None = None
    ota_bytes: int | None = None
    ota_seconds: float | None = None
    created_at: float = field(default_factory=now)
    updated_at: float = field(default_factory=now)


class DeploymentDeviceRepository:
    """Rows by deployment and endpoint."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.deployment_devices, keep=("created_at",))

    def put(self, record: DeploymentDeviceRecord) -> asyncio.Future[None]:
        """Store where a device stands; the future carries `RecordConflict` when there is no such deployment."""
        return self._database.writer.submit(self._put, row_of(record))

    async def of_deployment(self, deployment_id: str) -> tuple[DeploymentDeviceRecord, ...]:
        """The devices of a deployment, in the order they were added."""
        return await self._find(tables.deployment_devices.c.deployment_id == deployment_id)

    async def of_endpoint(self, endpoint: str) -> tuple[DeploymentDeviceRecord, ...]:
        """Every deployment a device took part in, oldest first."""
        return await self._find(tables.deployment_devices.c.endpoint == endpoint)

    async def all(self) -> tuple[DeploymentDeviceRecord, ...]:
        """Every device of every deployment."""
        return await self._find()

    async def _find(self, *conditions: Any) -> tuple[DeploymentDeviceRecord, ...]:
        columns = tables.deployment_devices.c
        statement = select(tables.deployment_devices).where(*conditions).order_by(columns.created_at, columns.endpoint)
        return tuple(DeploymentDeviceRecord(**row._mapping) for row in await self._database.rows(statement))
