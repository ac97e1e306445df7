"""What a campaign does to each of its devices."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class CampaignDeviceRecord:
    """One device of a campaign; sizes in bytes, over-the-air figures None until the transfer ended."""

    campaign_id: str
    endpoint: str
    target: str
    state: str
    phase: int = 0
    reason: str = ""
    since: float = field(default_factory=now)
    attempts: int = 0
    due_at: float | None = None
    before: str | None = None
    reported: str | None = None
    variant: str | None = None
    module_digest: str | None = None
    ota_bytes: int | None = None
    ota_seconds: float | None = None
    created_at: float = field(default_factory=now)
    updated_at: float = field(default_factory=now)


class CampaignDeviceRepository:
    """Rows by campaign and endpoint."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.campaign_devices, keep=("created_at",))

    def put(self, record: CampaignDeviceRecord) -> asyncio.Future[None]:
        """Store where a device stands; the future carries `RecordConflict` when there is no such campaign."""
        return self._database.writer.submit(self._put, row_of(record))

    def put_all(self, records: Sequence[CampaignDeviceRecord]) -> asyncio.Future[None]:
        """Store where several devices stand, all of them or none."""
        return self._database.writer.submit_all([(self._put, row_of(record)) for record in records])

    async def of_campaign(self, campaign_id: str) -> tuple[CampaignDeviceRecord, ...]:
        """The devices of a campaign, in the order they were added."""
        return await self._find(tables.campaign_devices.c.campaign_id == campaign_id)

    async def of_endpoint(self, endpoint: str) -> tuple[CampaignDeviceRecord, ...]:
        """Every campaign a device took part in, oldest first."""
        return await self._find(tables.campaign_devices.c.endpoint == endpoint)

    async def all(self) -> tuple[CampaignDeviceRecord, ...]:
        """Every device of every campaign."""
        return await self._find()

    async def tallies(self) -> dict[str, dict[str, int]]:
        """How many devices of each campaign are in each state."""
        columns = tables.campaign_devices.c
        statement = select(columns.campaign_id, columns.state, func.count().label("number")).group_by(
            columns.campaign_id, columns.state
        )
        found: dict[str, dict[str, int]] = {}
        for row in await self._database.rows(statement):
            found.setdefault(row.campaign_id, {})[row.state] = int(row.number)
        return found

    async def _find(self, *conditions: Any) -> tuple[CampaignDeviceRecord, ...]:
        columns = tables.campaign_devices.c
        statement = select(tables.campaign_devices).where(*conditions).order_by(columns.created_at, columns.endpoint)
        return tuple(CampaignDeviceRecord(**row._mapping) for row in await self._database.rows(statement))
