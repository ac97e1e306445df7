"""Object 42773, ML Probe: an input that a server gives, inferred beside the sensor's stream."""

from collections.abc import Mapping
from enum import IntEnum

from aiocoap import Code

from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml_simulator.device.object_ids import ML_MODEL, ML_PROBE
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.modules.modules import LoadedModule, ModuleManager
from lwm2m_ml_simulator.objects.base import (
    Arguments,
    ObjectInstance,
    OperationRefused,
    ResourceValue,
    executable,
    readable,
    writable,
)
from lwm2m_ml_simulator.processor.machine import Inference, ModuleMachine

_LARGEST_INPUT = 1 << 20


class ProbeState(IntEnum):
    """State."""

    IDLE = 0
    RUNNING = 1
    DONE = 2
    FAILED = 3


class MlProbe(ObjectInstance):
    """Runs the module in use, or the one in a slot that is named; nothing else on the device hears of it."""

    object_id = ML_PROBE

    def __init__(self, modules: ModuleManager, machine: ModuleMachine) -> None:
        super().__init__(0)
        self._modules = modules
        self._machine = machine
        self._inputs: tuple[bytes, ...] = ()
        self._state = ProbeState.IDLE
        self._answer: Inference | None = None
        self._module: LoadedModule | None = None

    @readable(0)
    def input(self) -> dict[int, bytes] | None:
        """Input as it was written."""
        return dict(enumerate(self._inputs)) or None

    @writable(0)
    def write_input(self, value: ResourceValue) -> None:
        """Input: one tensor per instance."""
        tensors = [value[number] for number in sorted(value)] if isinstance(value, Mapping) else [value]
        if not all(isinstance(tensor, bytes) for tensor in tensors):
            raise OperationRefused(Code.BAD_REQUEST, "inputs are opaque")
        inputs = tuple(tensor for tensor in tensors if isinstance(tensor, bytes))
        if sum(map(len, inputs)) > _LARGEST_INPUT:
            raise OperationRefused(Code.REQUEST_ENTITY_TOO_LARGE, "the input is larger than any module takes")
        self._inputs = inputs

    @executable(1)
    async def run(self, arguments: Arguments) -> None:
        """Run, in the slot that argument 0 names or else in the first that is in use."""
        if self._state is ProbeState.RUNNING:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "a run is under way")
        module = self._meant(arguments.get(0))
        if module is None:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "no module is in use")
        if [tensor.bytes for tensor in module.descriptor.inputs] != list(map(len, self._inputs)):
            raise OperationRefused(Code.BAD_REQUEST, "the input does not have the sizes that the module takes")
        self._state, self._module, self._answer = ProbeState.RUNNING, module, None
        try:
            self._answer = await self._machine.infer(self._modules.payload(module), module.descriptor, self._inputs)
        except MachineFailure:
            self._state = ProbeState.FAILED
        else:
            self._state = ProbeState.DONE
        finally:
            if self._state is ProbeState.RUNNING:
                self._state = ProbeState.IDLE

    @readable(2)
    def state(self) -> int:
        """State."""
        return int(self._state)

    @readable(3)
    def output(self) -> dict[int, bytes] | None:
        """Output of the last run that went well."""
        return dict(enumerate(self._answer.outputs)) if self._answer else None

    @readable(4)
    def latency(self) -> float | None:
        """Latency in milliseconds at the device's clock."""
        return self._answer.latency_ms if self._answer else None

    @readable(5)
    def instructions(self) -> int | None:
        """Instructions that the processor executed."""
        return self._answer.instructions if self._answer else None

    @readable(6)
    def model(self) -> ObjectLink | None:
        """Model that was run last."""
        return ObjectLink(ML_MODEL, self._module.slot) if self._module else None

    @readable(7)
    def module_digest(self) -> bytes | None:
        """Module Digest of it."""
        return self._module.digest if self._module else None

    def _meant(self, slot: str | None) -> LoadedModule | None:
        if slot is None:
            return self._modules.in_use
        if not slot.isdecimal():
            raise OperationRefused(Code.BAD_REQUEST, "argument 0 is the instance of ML Model")
        return self._modules.loaded(int(slot))
