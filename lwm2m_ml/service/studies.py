"""Studies of models: what fits where, what it would cost and answer. No device is changed by them."""

from collections.abc import Sequence

from lwm2m_ml.compiler.targets import Target, load_target, shipped_targets
from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.campaigns.plan import Plan
from lwm2m_ml.service.campaigns.preview import Preview, preview
from lwm2m_ml.service.compilations import Compilation
from lwm2m_ml.service.device_types import DeviceType
from lwm2m_ml.service.explanations import Explaining, archive_of, forget_old
from lwm2m_ml.service.fit import Fit
from lwm2m_ml.service.fitting import DeviceFitting
from lwm2m_ml.service.groups.selections import Selection
from lwm2m_ml.service.survey import Constraints, Survey, Surveyor
from lwm2m_ml.service.workers.facts import ReferenceAnswers
from lwm2m_ml.service.zoo.model import Model
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store.explanation_archives import ExplanationArchiveRepository

UNLIMITED_BYTES = 1 << 31


class Studies:
    """Looks at models before they go anywhere; to know, it compiles what was not compiled yet."""

    def __init__(
        self, zoo: Zoo, builder: Builder, fitting: DeviceFitting, archives: ExplanationArchiveRepository
    ) -> None:
        """`archives` keep the modules that were explained."""
        self._zoo = zoo
        self._builder = builder
        self._fitting = fitting
        self._archives = archives

    async def start(self) -> None:
        """Forget the modules that no job names any more."""
        await forget_old(self._archives)

    @property
    def compilations(self) -> int:
        """How many modules were compiled since the start, for whatever purpose."""
        return self._builder.compilations

    def targets(self) -> tuple[Target, ...]:
        """Return what can be compiled for, cores first."""
        return tuple(target for target in shipped_targets().values() if target.can_compile)

    async def fit(self, model: str, endpoint: str) -> Fit:
        """Look at every variant of a model for a device: which fits, which is chosen, what the others lack."""
        choice = await self._fitting.choose(self._zoo.get(model), endpoint, build=self._builder.build, exhaustive=True)
        return choice.fit

    async def survey(self, model: Model, endpoints: Sequence[str], constraints: Constraints) -> tuple[Survey, ...]:
        """Look at every way to put a model on devices, once for all that are alike; no device is asked."""
        return await self._fitting.survey(Surveyor(self._builder, model, constraints), endpoints)

    async def survey_target(self, model: Model, target: str, constraints: Constraints) -> Survey:
        """Look at every way to put a model on a bare target, whose whole flash and half its RAM are free."""
        found = load_target(target)
        described = DeviceType(
            f"target {target}",
            target,
            storage_bytes=found.flash_bytes or UNLIMITED_BYTES,
            memory_bytes=found.ram_bytes // 2 if found.ram_bytes else UNLIMITED_BYTES,
        )
        return await self._fitting.survey_target(Surveyor(self._builder, model, constraints), described.runtime(found))

    async def preview(self, model: Model, selection: Selection, plan: Plan) -> Preview:
        """Say what a campaign would do, from what is known of its devices."""
        return await preview(self._fitting, self._builder, model, selection, plan)

    async def reference(self, model: str, variant: str, inputs: Sequence[Sequence[float]]) -> ReferenceAnswers:
        """Answer inputs (one flat list of numbers each) with the integer reference of a variant."""
        chosen = self._zoo.get(model)
        return await self._builder.reference_outputs(chosen, chosen.variant(variant), inputs)

    def compilation(self, model: str, variant: str, target: str) -> Compilation:
        """Return the work of compiling a variant for a target, for a job; raises `NotFoundError`."""
        return Compilation(self._zoo, self._builder, model, variant, target)

    def explanation(self, model: str, version: str | None, variant: str, target: str) -> Explaining:
        """Return the work of explaining a variant on a target, for a job; raises `NotFoundError`."""
        return Explaining(self._zoo, self._builder, self._archives, (model, version, variant), target)

    async def explained_module(self, digest: str) -> bytes:
        """Return the files of an explained module as a ZIP archive; raises `NotFoundError`."""
        return await archive_of(self._archives, digest)
