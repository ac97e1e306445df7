"""Campaigns: one rollout of a model each, and the story of each, line by line."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class CampaignRecord:
    """One rollout; `state` and `plan` are the service's words, `since` is when the state began."""

    id: str
    model: str
    version: str
    state: str
    name: str = ""
    selection: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)
    phase: int = 0
    forgiven: int = 0
    reason: str = ""
    created_by: str = ""
    created_at: float = field(default_factory=now)
    since: float = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class CampaignNoteRecord:
    """One line of a campaign's story. `id` is given by the store."""

    campaign_id: str
    who: str
    text: str
    at: float = field(default_factory=now)
    id: int = 0


class CampaignRepository:
    """Campaigns by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.campaigns, keep=("created_at",))
        self._note = insert(tables.campaign_notes)

    def put(self, record: CampaignRecord) -> asyncio.Future[None]:
        """Store a campaign as it stands."""
        return self._database.writer.submit(self._put, row_of(record))

    def note(self, record: CampaignNoteRecord) -> asyncio.Future[None]:
        """Append a line to a campaign's story; the future carries `RecordConflict` when there is no such campaign."""
        row = row_of(record)
        del row["id"]
        return self._database.writer.submit(self._note, row)

    async def get(self, campaign_id: str) -> CampaignRecord | None:
        """One campaign, or None."""
        row = await self._database.row(select(tables.campaigns).where(tables.campaigns.c.id == campaign_id))
        return None if row is None else CampaignRecord(**row._mapping)

    async def all(self) -> tuple[CampaignRecord, ...]:
        """Every campaign, oldest first."""
        columns = tables.campaigns.c
        statement = select(tables.campaigns).order_by(columns.created_at, columns.id)
        return tuple(CampaignRecord(**row._mapping) for row in await self._database.rows(statement))

    async def notes(self, campaign_id: str, *, after: int = 0, limit: int = 10_000) -> tuple[CampaignNoteRecord, ...]:
        """The story of a campaign from after a line's id on, oldest line first."""
        columns = tables.campaign_notes.c
        statement = (
            select(tables.campaign_notes)
            .where(columns.campaign_id == campaign_id, columns.id > after)
            .order_by(columns.id)
            .limit(limit)
        )
        return tuple(CampaignNoteRecord(**row._mapping) for row in await self._database.rows(statement))
