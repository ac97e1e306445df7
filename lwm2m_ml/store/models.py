"""Models of the zoo and their variants; the files themselves are artefacts."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """A model at one size or precision: the digest of its file and what was measured."""

    name: str
    artefact_digest: str
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One version of a model with its variants in order of preference."""

    name: str
    version: str
    variants: tuple[VariantRecord, ...]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class ModelAliasRecord:
    """A name for one version of a model."""

    model: str
    alias: str
    version: str


class ModelAliasRepository:
    """Aliases by model and name."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.model_aliases)

    def put(self, record: ModelAliasRecord) -> asyncio.Future[None]:
        """Store what an alias names, in place of what it named before."""
        return self._database.writer.submit(self._put, row_of(record))

    async def all(self) -> tuple[ModelAliasRecord, ...]:
        """Every alias, by model and name."""
        columns = tables.model_aliases.c
        rows = await self._database.rows(select(tables.model_aliases).order_by(columns.model, columns.alias))
        return tuple(ModelAliasRecord(**row._mapping) for row in rows)

    def delete(self, model: str, alias: str) -> asyncio.Future[None]:
        """Forget an alias."""
        columns = tables.model_aliases.c
        return self._database.writer.submit(
            delete(tables.model_aliases).where(columns.model == model, columns.alias == alias)
        )


class ModelRepository:
    """Models by name and version."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put_model = database.upsert(tables.models, keep=("created_at",))
        self._put_variant = database.upsert(tables.model_variants)

    def put(self, record: ModelRecord) -> asyncio.Future[None]:
        """Store a model with exactly these variants, in place of what was stored of this version."""
        key = {"model": record.name, "version": record.version}
        variants = tables.model_variants.c
        model = {"name": record.name, "version": record.version}
        model_row = {**model, "metrics": record.metrics, "created_at": record.created_at}
        forget = delete(tables.model_variants).where(variants.model == record.name, variants.version == record.version)
        rows = [
            (self._put_variant, {**key, **row_of(variant), "position": position})
            for position, variant in enumerate(record.variants)
        ]
        return self._database.writer.submit_all([(self._put_model, model_row), (forget, None), *rows])

    def delete(self, name: str, version: str) -> asyncio.Future[None]:
        """Forget a version with its variants; files stay."""
        models, variants = tables.models, tables.model_variants
        return self._database.writer.submit_all(
            [
                (delete(variants).where(variants.c.model == name, variants.c.version == version), None),
                (delete(models).where(models.c.name == name, models.c.version == version), None),
            ]
        )

    async def get(self, name: str, version: str) -> ModelRecord | None:
        """One version of a model, or None."""
        found = await self._find(tables.models.c.name == name, tables.models.c.version == version)
        return found[0] if found else None

    async def all(self) -> tuple[ModelRecord, ...]:
        """Every version of every model, by name and age."""
        return await self._find()

    async def _find(self, *conditions: Any) -> tuple[ModelRecord, ...]:
        models, variants = tables.models.c, tables.model_variants.c
        statement = (
            select(
                tables.models, variants.name.label("variant"), variants.artefact_digest, variants.metrics.label("facts")
            )
            .outerjoin(tables.model_variants, (variants.model == models.name) & (variants.version == models.version))
            .where(*conditions)
            .order_by(models.name, models.created_at, models.version, variants.position)
        )
        grouped: dict[tuple[str, str], list[Row[Any]]] = {}
        for row in await self._database.rows(statement):
            grouped.setdefault((row.name, row.version), []).append(row)
        return tuple(_model(rows) for rows in grouped.values())


def _model(rows: Sequence[Row[Any]]) -> ModelRecord:
    """The record of one model from its rows, one per variant."""
    variants = tuple(
        VariantRecord(row.variant, row.artefact_digest, row.facts) for row in rows if row.variant is not None
    )
    first = rows[0]
    return ModelRecord(first.name, first.version, variants, first.metrics, first.created_at)
