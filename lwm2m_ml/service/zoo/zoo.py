"""The zoo: shipped models and those that users added, by name and version."""

import re
from collections.abc import Iterable
from importlib import resources

import structlog

from lwm2m_ml.errors import ConflictError, InvalidInputError, NotFoundError, UsageError
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.service.workers.tasks import inspect_model
from lwm2m_ml.service.zoo.card import NAME, ModelFiles, read_model
from lwm2m_ml.service.zoo.model import Calibration, Model, Variant
from lwm2m_ml.store.store import Store

log = structlog.get_logger(__name__)

MAXIMUM_MODEL_BYTES = 16 << 20
MAXIMUM_CALIBRATION_BYTES = 64 << 20
DEFAULT_CALIBRATION_ARRAY = "images"


class Zoo:
    """Models in memory, their facts and files in the store."""

    def __init__(self, store: Store, workers: WorkerPool) -> None:
        self._store = store
        self._workers = workers
        self._models: dict[tuple[str, str], Model] = {}

    async def start(self) -> None:
        """Load what is stored, and store what ships with this release."""
        for record in await self._store.models.all():
            self._models[record.name, record.version] = Model.from_record(record)
        for shipped in shipped_models():
            if self._models.get((shipped.model.name, shipped.model.version)) != shipped.model:
                await self._keep(shipped)

    def models(self) -> tuple[Model, ...]:
        """Return the newest version of every model, by name."""
        newest = {name: model for (name, _version), model in self._models.items()}
        return tuple(newest[name] for name in sorted(newest))

    def get(self, name: str, version: str | None = None) -> Model:
        """Return a model, the version added last unless one is named; raises `NotFoundError`."""
        versions = [m for (n, v), m in self._models.items() if n == name and version in {None, v}]
        if not versions:
            known = ", ".join(model.name for model in self.models()) or "none"
            what = name if version is None else f"{name} {version}"
            raise NotFoundError(f"There is no model {what}", hint=f"Models in the zoo: {known}")
        return versions[-1]

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

    async def content(self, digest: str) -> bytes:
        """Return a file of a model; raises `NotFoundError` when the store lost it."""
        content = await self._store.artefacts.get(digest)
        if content is None:
            raise NotFoundError(f"The file {digest[:12]}… of a model is not in the store", hint="Add the model again")
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
