"""The zoo: shipped models and those that users added, by name and version."""

import dataclasses
import re
from collections.abc import Iterable
from importlib import resources

import structlog

from lwm2m_ml.compiler.frontends.model_format import format_of
from lwm2m_ml.errors import ConflictError, InvalidInputError, NotFoundError, UsageError
from lwm2m_ml.service.workers.tasks import inspect_model
from lwm2m_ml.service.workers.workers import Workers
from lwm2m_ml.service.zoo.card import NAME, ModelFiles, read_model
from lwm2m_ml.service.zoo.model import Calibration, Model, Variant
from lwm2m_ml.store.models import ModelAliasRecord
from lwm2m_ml.store.store import Store

log = structlog.get_logger(__name__)

MAXIMUM_MODEL_BYTES = 16 << 20
MAXIMUM_CALIBRATION_BYTES = 64 << 20
DEFAULT_CALIBRATION_ARRAY = "images"
CHAMPION, CANDIDATE = "champion", "candidate"
"""The aliases that everybody knows: what is meant when no version is named, and what may become it."""


class Zoo:
    """Models in memory, their facts and files in the store."""

    def __init__(self, store: Store, workers: Workers, *, programs: bool = False) -> None:
        self._store = store
        self._programs = programs
        self._workers = workers
        self._models: dict[tuple[str, str], Model] = {}
        self._aliases: dict[tuple[str, str], str] = {}
        self._shipped: frozenset[tuple[str, str]] = frozenset()

    async def start(self) -> None:
        """Load what is stored, and store what ships with this release."""
        await self.load()
        ships = shipped_models()
        self._shipped = frozenset((one.model.name, one.model.version) for one in ships)
        for shipped in ships:
            if self._models.get((shipped.model.name, shipped.model.version)) != shipped.model:
                await self._keep(shipped)

    async def load(self) -> None:
        """Know what is stored now."""
        records, aliases = await self._store.models.all(), await self._store.model_aliases.all()
        self._models = {(one.name, one.version): Model.from_record(one) for one in records}
        self._aliases = {(one.model, one.alias): one.version for one in aliases}

    def models(self) -> tuple[Model, ...]:
        """Return the newest version of every model, by name."""
        newest = {name: model for (name, _version), model in self._models.items()}
        return tuple(newest[name] for name in sorted(newest))

    def versions(self, name: str) -> tuple[Model, ...]:
        """Return every version of a model, the one added first at first; raises `NotFoundError`."""
        self.get(name)
        return tuple(model for (of, _), model in self._models.items() if of == name)

    def aliases(self, name: str) -> dict[str, str]:
        """Return the versions of a model that have a name of their own, by that name."""
        return {alias: version for (of, alias), version in sorted(self._aliases.items()) if of == name}

    def get(self, name: str, version: str | None = None) -> Model:
        """Return a model by version or alias; without one its champion, else the version added last.

        Raises `NotFoundError`.
        """
        version = self._aliases.get((name, version or CHAMPION), version)
        versions = [m for (n, v), m in self._models.items() if n == name and version in {None, v}]
        if not versions:
            known = ", ".join(model.name for model in self.models()) or "none"
            what = name if version is None else f"{name} {version}"
            raise NotFoundError(f"There is no model {what}", hint=f"Models in the zoo: {known}")
        return versions[-1]

    def labels(self, name: str, version: str) -> tuple[str, ...]:
        """Return the labels of a version; none when it is not in the zoo any more."""
        model = self._models.get((name, version))
        return () if model is None else tuple(model.labels)

    async def file(self, name: str, version: str | None, variant: str) -> bytes:
        """Return the file of a variant as it was added; raises `NotFoundError`."""
        return await self.content(self.get(name, version).variant(variant).digest)

    async def add(
        self,
        name: str,
        version: str,
        content: bytes,
        *,
        variant: str = "",
        labels: Iterable[str] = (),
        calibration: bytes | None = None,
        calibration_array: str = DEFAULT_CALIBRATION_ARRAY,
        accuracy: float | None = None,
        macs: int = 0,
        description: str = "",
        licence: str = "",
    ) -> Model:
        """Add a model, or another variant of a model version, after the compiler has read it."""
        variant = variant or name
        _check_names(name, version, variant)
        _check_sizes(content, calibration)
        self._check_program(content)
        known = self._models.get((name, version))
        if known is not None and any(one.name == variant for one in known.variants):
            raise ConflictError(
                f"Model {name} {version} has a variant {variant} already", hint="Choose another version"
            )
        facts = await self._workers.run(inspect_model, content, what=f"Reading model {name}")
        files = {await self._store.artefacts.put(content): content}
        added = Variant(variant, next(iter(files)), weights=facts.weights, macs=macs, accuracy=accuracy)
        samples = known.calibration if known else None
        if calibration is not None:
            samples = Calibration(await self._store.artefacts.put(calibration), calibration_array)
        model = Model(
            name=name,
            version=version,
            description=description or (known.description if known else ""),
            licence=licence or (known.licence if known else ""),
            labels=tuple(labels) or (known.labels if known else ()),
            variants=(*(known.variants if known else ()), added),
            calibration=samples,
        )
        await self._keep(ModelFiles(model, {}))
        return model

    async def keep_file(self, content: bytes, digest: str | None = None) -> str:
        """Store a file of a model that is to be added, and return its digest; whoever knows that gives it."""
        if len(content) > MAXIMUM_CALIBRATION_BYTES:
            raise InvalidInputError(
                f"The file has {len(content):,} B, at most {MAXIMUM_CALIBRATION_BYTES:,} B are kept"
            )
        return await self._store.artefacts.put(content, digest)

    async def add_version(self, model: Model) -> Model:
        """Add a version whose files are in the store, after the compiler has read every variant.

        Raises `ConflictError` when the version exists, `NotFoundError` for a file that is not in the store.
        """
        _check_names(model.name, model.version, *(variant.name for variant in model.variants))
        if (model.name, model.version) in self._models:
            raise ConflictError(f"There is {model.name} {model.version} already", hint="Choose another version")
        if len({variant.name for variant in model.variants}) != len(model.variants):
            raise InvalidInputError(f"Two variants of {model.name} {model.version} have the same name")
        if model.calibration is not None and not await self._store.artefacts.has(model.calibration.digest):
            raise _lost(model.calibration.digest)
        variants = [await self._read(variant) for variant in model.variants]
        added = dataclasses.replace(model, variants=tuple(variants))
        await self._keep(ModelFiles(added, {}))
        return added

    async def _read(self, variant: Variant) -> Variant:
        content = await self.content(variant.digest)
        _check_sizes(content, None)
        self._check_program(content)
        facts = await self._workers.run(inspect_model, content, what=f"Reading {variant.name}")
        return dataclasses.replace(variant, weights=facts.weights)

    def _check_program(self, content: bytes) -> None:
        """TensorFlow itself says that it must not open these formats from strangers."""
        form = format_of(content)
        if form.is_program and not self._programs:
            raise InvalidInputError(
                f"A {form.value} file can hold a program, and this server takes none",
                hint="Save the model as .keras or ONNX, or let an administrator set model_programs",
            )

    async def set_alias(self, name: str, alias: str, version: str | None) -> Model | None:
        """Let an alias name a version, or nothing any more; returns the version that it names now."""
        _check_names(alias)
        if version is None:
            if (name, alias) not in self._aliases:
                raise NotFoundError(f"Model {name} has no alias {alias}")
            await self._store.model_aliases.delete(name, alias)
            self._aliases.pop((name, alias), None)
            return None
        model = self.get(name, version)
        if any((of, known) == (name, alias) for of, known in self._models):
            raise ConflictError(f"{alias} is a version of {name} already", hint="Choose another alias")
        await self._store.model_aliases.put(ModelAliasRecord(name, alias, model.version))
        self._aliases[name, alias] = model.version
        return model

    async def remove(self, name: str, version: str) -> None:
        """Forget a version with its aliases, and files that no other version needs.

        Raises `ConflictError` for a version that ships with the release; whoever calls knows what is in use.
        """
        model = self.get(name, version)
        key = (model.name, model.version)
        if key in self._shipped:
            raise ConflictError(f"{name} {model.version} ships with this release and cannot be removed")
        for alias in [alias for (of, alias), at in self._aliases.items() if (of, at) == key]:
            await self.set_alias(name, alias, None)
        await self._store.models.delete(*key)
        del self._models[key]
        needed = frozenset().union(*(other.digests for other in self._models.values()))
        await self._store.artefacts.delete_all(model.digests - needed)
        log.info("model removed from the zoo", model=model.name, version=model.version)

    async def content(self, digest: str) -> bytes:
        """Return a file of a model; raises `NotFoundError` when the store lost it."""
        content = await self._store.artefacts.get(digest)
        if content is None:
            raise _lost(digest)
        return content

    async def _keep(self, found: ModelFiles) -> None:
        for content in found.files.values():
            await self._store.artefacts.put(content)
        await self._store.models.put(found.model.to_record())
        self._models[found.model.name, found.model.version] = found.model
        log.info("model in the zoo", model=found.model.name, version=found.model.version)


def shipped_models() -> tuple[ModelFiles, ...]:
    """Read the models that ship with this release."""
    root = resources.files("lwm2m_ml.service.zoo") / "shipped"
    folders = sorted((entry for entry in root.iterdir() if entry.is_dir()), key=lambda entry: entry.name)
    return tuple(read_model(folder) for folder in folders if (folder / "card.toml").is_file())


def _lost(digest: str) -> NotFoundError:
    return NotFoundError(f"The file {digest[:12]}… of a model is not in the store", hint="Add the model again")


def _check_names(*names: str) -> None:
    for name in names:
        if not re.match(NAME, name):
            raise UsageError(
                f"{name[:64]!r} cannot name a model, version or variant",
                hint="Use up to 64 letters, digits, dots, hyphens and underscores",
            )


def _check_sizes(content: bytes, calibration: bytes | None) -> None:
    if len(content) > MAXIMUM_MODEL_BYTES:
        raise InvalidInputError(f"The model has {len(content):,} B, at most {MAXIMUM_MODEL_BYTES:,} B are accepted")
    if calibration is not None and len(calibration) > MAXIMUM_CALIBRATION_BYTES:
        raise InvalidInputError(
            f"The calibration data has {len(calibration):,} B, at most {MAXIMUM_CALIBRATION_BYTES:,} B are accepted"
        )
