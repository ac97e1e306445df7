"""Signed modules and the facts that were measured of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.store.modules import ModuleRecord, ModuleRepository

SIGNED = "package_bytes"
"""A fact of signed modules alone; builds are kept in the same table."""
PART = 1_000


@dataclass(frozen=True, slots=True)
class Module:
    """A signed module and its measured facts."""

    digest: str
    model: str
    version: str
    variant: str
    target: str
    package_bytes: int
    facts: Mapping[str, Any]
    created_at: float


class Modules:
    """The modules that were signed for devices."""

    def __init__(self, repository: ModuleRepository) -> None:
        self._repository = repository

    async def get(self, digest: str) -> Module:
        """Return a signed module's facts; raises `NotFoundError`."""
        record = await self._repository.get(digest)
        if record is None or SIGNED not in record.facts:
            raise NotFoundError(f"There is no module {digest[:12]}…")
        return _module(record)

    async def oldest(self, limit: int, after: tuple[float, str] | None = None) -> tuple[Module, ...]:
        """Return modules in the order they were made, from after a time and digest on, at most `limit`."""
        found: list[Module] = []
        while len(found) < limit:
            records = await self._repository.oldest(PART, after=after)
            found.extend(_module(record) for record in records if SIGNED in record.facts)
            if len(records) < PART:
                break
            after = records[-1].created_at, records[-1].digest
        return tuple(found[:limit])


def _module(record: ModuleRecord) -> Module:
    return Module(
        digest=record.digest,
        model=record.model,
        version=record.version,
        variant=record.variant,
        target=record.target,
        package_bytes=record.facts[SIGNED],
        facts=record.facts,
        created_at=record.created_at,
    )
