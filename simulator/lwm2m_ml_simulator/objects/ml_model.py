"""Object 42770, ML Model: one module slot, its module, its trial and its figures (objects.md)."""

from aiocoap import Code

from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml_simulator.device.object_ids import ML_CAPABILITIES, ML_MODEL
from lwm2m_ml_simulator.inference.figures import SlotFigures
from lwm2m_ml_simulator.inference.inference import InferenceEngine
from lwm2m_ml_simulator.modules.modules import LoadedModule, ModuleManager
from lwm2m_ml_simulator.modules.settings import SettingsStore
from lwm2m_ml_simulator.modules.slots import IN_USE
from lwm2m_ml_simulator.modules.trial import TrialSupervisor
from lwm2m_ml_simulator.objects.base import (
    Arguments,
    ObjectInstance,
    OperationRefused,
    ResourceValue,
    executable,
    readable,
    writable,
)
from lwm2m_ml_simulator.objects.ml_capabilities import NATIVE_MODULE


class MlModel(ObjectInstance):
    """One slot; an empty slot has empty texts and zeros, for these resources are mandatory."""

    object_id = ML_MODEL

    def __init__(
        self,
        slot: int,
        modules: ModuleManager,
        engine: InferenceEngine,
        settings: SettingsStore,
        supervisor: TrialSupervisor,
        *,
        delivered_by: ObjectLink,
    ) -> None:
        super().__init__(slot)
        self._modules = modules
        self._engine = engine
        self._settings = settings
        self._supervisor = supervisor
        self._delivered_by = delivered_by

    @property
    def _module(self) -> LoadedModule | None:
        return self._modules.loaded(self.instance_id)

    @property
    def _figures(self) -> SlotFigures:
        return self._engine.figures(self.instance_id)

    @readable(0)
    def name(self) -> str:
        """Name."""
        return self._module.descriptor.model_name if self._module else ""

    @readable(1)
    def model_version(self) -> str:
        """Version."""
        return self._module.descriptor.model_version if self._module else ""

    @readable(2)
    def model_identifier(self) -> bytes:
        """Model Identifier; empty where there is no module."""
        return self._module.descriptor.model_id if self._module else b""

    @readable(3)
    def module_digest(self) -> bytes:
        """Module Digest; empty where there is no module."""
        staged = self._modules.slot(self.instance_id).module
        return staged.digest if staged else b""

    @readable(4)
    def software_management(self) -> ObjectLink:
        """Software Management: the object instance that modules come through."""
        return self._delivered_by

    @readable(5)
    def module_format(self) -> int:
        """Module Format."""
        return NATIVE_MODULE

    @readable(6)
    def runtime(self) -> ObjectLink:
        """Runtime."""
        return ObjectLink(ML_CAPABILITIES, 0)

    @readable(8)
    def sequence_number(self) -> int:
        """Sequence Number."""
        return self._module.sequence_number if self._module else 0

    @readable(9)
    def storage_used(self) -> int:
        """Storage Used."""
        module = self._modules.slot(self.instance_id).module
        return module.package_bytes if module else 0

    @readable(10)
    def working_memory_used(self) -> int:
        """Working Memory Used: arena and stack."""
        return self._module.working_memory_bytes if self._module else 0

    @readable(11)
    def state(self) -> int:
        """State."""
        return int(self._modules.slot(self.instance_id).state)

    @readable(12)
    def result(self) -> int:
        """Result."""
        return int(self._modules.slot(self.instance_id).result)

    @executable(13)
    def confirm(self, arguments: Arguments) -> None:
        """Confirm: end the trial well."""
        self._refuse_unless(ModuleState.TRIAL)
        self._modules.confirm(self.instance_id)

    @executable(14)
    def roll_back(self, arguments: Arguments) -> None:
        """Roll Back to the predecessor."""
        self._refuse_unless(ModuleState.TRIAL, ModuleState.ACTIVE)
        self._modules.fail(self.instance_id, ModuleResult.ROLLED_BACK_BY_SERVER)

    @readable(15)
    def trial_period(self) -> int:
        """Trial Period."""
        return self._settings.get(self.instance_id).trial_period

    @writable(15)
    def write_trial_period(self, value: ResourceValue) -> None:
        """Set the period; a running trial starts its clock again."""
        self._settings.change(self.instance_id, trial_period=_positive(value))
        self._supervisor.period_changed(self.instance_id)

    @readable(16)
    def trial_remaining(self) -> int | None:
        """Trial Remaining."""
        return self._supervisor.remaining(self.instance_id)

    @readable(17)
    def predecessor(self) -> ObjectLink | None:
        """Predecessor."""
        before = self._modules.slot(self.instance_id).predecessor
        return ObjectLink(ML_MODEL, before) if before is not None else None

    @executable(18)
    async def self_test(self, arguments: Arguments) -> None:
        """Self-Test with the module's known-answer vectors."""
        module = self._module
        if module is None:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "the slot holds no module")
        await self._modules.self_test(module)

    @readable(19)
    def self_test_score(self) -> float | None:
        """Self-Test Score in percent."""
        return self._modules.self_test_scores.get(self.instance_id)

    @readable(20)
    def descriptor(self) -> bytes | None:
        """Descriptor."""
        return self._module.descriptor.encode() if self._module else None

    @readable(21)
    def class_labels(self) -> dict[int, str] | None:
        """Class Labels."""
        return dict(enumerate(self._module.descriptor.labels)) if self._module else None

    @readable(22)
    def decision_threshold(self) -> float | None:
        """Decision Threshold in percent."""
        threshold = self._settings.get(self.instance_id).decision_threshold
        if threshold is not None or self._module is None:
            return threshold
        return self._module.descriptor.threshold or 0.0

    @writable(22)
    def write_decision_threshold(self, value: ResourceValue) -> None:
        """Set the threshold."""
        self._settings.change(self.instance_id, decision_threshold=_limit(value))

    @readable(23)
    def inference_period(self) -> int:
        """Inference Period in ms."""
        return self._settings.get(self.instance_id).inference_period_ms

    @writable(23)
    def write_inference_period(self, value: ResourceValue) -> None:
        """Set the period."""
        self._settings.change(self.instance_id, inference_period_ms=_positive(value))

    @executable(24)
    async def infer(self, arguments: Arguments) -> None:
        """Infer what the inputs are linked to now."""
        if self._modules.slot(self.instance_id).state not in IN_USE:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "the slot's module is not in use")
        await self._engine.infer(self.instance_id)

    @readable(25)
    def inference_count(self) -> int:
        """Inference Count."""
        return self._figures.latency.inferences

    @readable(26)
    def failure_count(self) -> int:
        """Failure Count."""
        return self._figures.latency.failures

    @readable(27)
    def last_latency(self) -> float | None:
        """Last Latency in ms."""
        return self._figures.latency.last

    @readable(28)
    def mean_latency(self) -> float | None:
        """Mean Latency in ms."""
        return self._figures.latency.mean

    @readable(29)
    def maximum_latency(self) -> float | None:
        """Maximum Latency in ms."""
        return self._figures.latency.maximum

    @readable(30)
    def mean_energy(self) -> float | None:
        """Mean Energy of an inference in J: active power for as long as it takes."""
        power, latency = self._modules.profile.active_power_watts, self._figures.latency.mean
        return power * latency / 1000.0 if power is not None and latency is not None else None

    @readable(31)
    def drift_score(self) -> float | None:
        """Drift Score: the population stability index of the inputs."""
        return self._figures.drift.score if self._figures.drift is not None else None

    @readable(32)
    def latency_limit(self) -> float | None:
        """Latency Limit in ms."""
        return self._settings.get(self.instance_id).latency_limit_ms

    @writable(32)
    def write_latency_limit(self, value: ResourceValue) -> None:
        """Set the latency above which the module is taken back; 0 for none."""
        self._settings.change(self.instance_id, latency_limit_ms=_limit(value) or None)

    @readable(33)
    def drift_limit(self) -> float | None:
        """Drift Limit."""
        return self._settings.get(self.instance_id).drift_limit

    @writable(33)
    def write_drift_limit(self, value: ResourceValue) -> None:
        """Set the drift score above which the module is taken back; 0 for none."""
        self._settings.change(self.instance_id, drift_limit=_limit(value) or None)

    @readable(34)
    def failure_limit(self) -> int | None:
        """Failure Limit."""
        return self._settings.get(self.instance_id).failure_limit

    @writable(34)
    def write_failure_limit(self, value: ResourceValue) -> None:
        """Set the number of failed inferences that is still tolerated."""
        self._settings.change(self.instance_id, failure_limit=int(_limit(value)))

    @executable(35)
    def reset_statistics(self, arguments: Arguments) -> None:
        """Reset Statistics."""
        self._figures.reset()

    @readable(36)
    def last_state_change(self) -> int | None:
        """Last State Change Time."""
        return int(self._modules.slot(self.instance_id).changed_at) or None

    def _refuse_unless(self, *states: ModuleState) -> None:
        state = self._modules.slot(self.instance_id).state
        if state not in states:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"the slot is {state.name.lower()}")


def _positive(value: ResourceValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise OperationRefused(Code.BAD_REQUEST, "a positive number is needed")
    return value


def _limit(value: ResourceValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise OperationRefused(Code.BAD_REQUEST, "a number of at least 0 is needed")
    return float(value)
