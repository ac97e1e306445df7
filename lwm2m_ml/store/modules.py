"""Built modules: what was compiled for which target, and the digest of the signed package."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, tuple_

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class ModuleRecord:
    """One module; `key` names everything that went into the build, `facts` what was measured."""

    digest: str
    key: str
    model: str
    version: str
    variant: str
    target: str
    facts: Mapping[str, Any]
    package_digest: str
    created_at: float = field(default_factory=now)


class ModuleRepository:
    """Modules by digest and by build key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.modules, keep=("created_at",))

    def put(self, record: ModuleRecord) -> asyncio.Future[None]:
        """Store a module; the future carries `RecordConflict` when another module has its key."""
        return self._database.writer.submit(self._put, row_of(record))

    async def get(self, digest: str) -> ModuleRecord | None:
        """The module with this digest, or None."""
        return await self._find(tables.modules.c.digest == digest)

    async def by_key(self, key: str) -> ModuleRecord | None:
        """The module built for this key, or None."""
        return await self._find(tables.modules.c.key == key)

    async def by_module_digest(self, digest: str) -> ModuleRecord | None:
        """A signed module by what devices show as its digest, or None; all packages of one build share it."""
        return await self._find(tables.modules.c.facts["module_digest"].as_string() == digest)

    async def oldest(self, limit: int, *, after: tuple[float, str] | None = None) -> tuple[ModuleRecord, ...]:
        """Modules, oldest first, from after a creation time and digest on, at most `limit`."""
        columns = tables.modules.c
        statement = select(tables.modules).order_by(columns.created_at, columns.digest).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(columns.created_at, columns.digest) > after)
        return tuple(ModuleRecord(**row._mapping) for row in await self._database.rows(statement))

    async def by_sequence_numbers(self, numbers: Collection[int]) -> tuple[ModuleRecord, ...]:
        """The signed modules with these sequence numbers, as far as there are any."""
        signed_as = tables.modules.c.facts["sequence_number"].as_integer()
        rows = await self._database.rows(select(tables.modules).where(signed_as.in_(numbers)))
        return tuple(ModuleRecord(**row._mapping) for row in rows)

    async def all(self) -> tuple[ModuleRecord, ...]:
        """Every module, oldest first."""
        statement = select(tables.modules).order_by(tables.modules.c.created_at, tables.modules.c.digest)
        return tuple(ModuleRecord(**row._mapping) for row in await self._database.rows(statement))

    async def _find(self, condition: Any) -> ModuleRecord | None:
        row = await self._database.row(select(tables.modules).where(condition))
        return None if row is None else ModuleRecord(**row._mapping)
