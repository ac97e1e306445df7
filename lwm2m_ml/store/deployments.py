"""Deployments: one rollout of a model each."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import bindparam, select, update

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """One rollout; `state` is the service's word."""

    id: str
    model: str
    version: str
    state: str
    created_at: float = field(default_factory=now)


class DeploymentRepository:
    """Deployments by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = tables.deployments
        self._put = database.upsert(table, keep=("created_at",))
        self._set_state = update(table).where(table.c.id == bindparam("of_id")).values(state=bindparam("new_state"))

    def put(self, record: DeploymentRecord) -> asyncio.Future[None]:
        """Store a deployment."""
        return self._database.writer.submit(self._put, row_of(record))

    def set_state(self, deployment_id: str, state: str) -> asyncio.Future[None]:
        """Change the state of a deployment; an unknown one stays unknown."""
        return self._database.writer.submit(self._set_state, {"of_id": deployment_id, "new_state": state})

    async def get(self, deployment_id: str) -> DeploymentRecord | None:
        """One deployment, or None."""
        row = await self._database.row(select(tables.deployments).where(tables.deployments.c.id == deployment_id))
        return None if row is None else DeploymentRecord(**row._mapping)

    async def all(self) -> tuple[DeploymentRecord, ...]:
        """Every deployment, oldest first."""
        columns = tables.deployments.c
        statement = select(tables.deployments).order_by(columns.created_at, columns.id)
        return tuple(DeploymentRecord(**row._mapping) for row in await self._database.rows(statement))
