"""How good parameters are: the module itself, executed on an emulated core, on images that no device has seen."""

import asyncio
from dataclasses import dataclass
from functools import partial

import numpy

from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.inputs.digits import load_digits_split
from lwm2m_ml_simulator.learning.control import control
from lwm2m_ml_simulator.modules.modules import LoadedModule
from lwm2m_ml_simulator.processor.machine import ModuleMachine, quantise


@dataclass(frozen=True, slots=True)
class Examiner:
    """A device's module and its core."""

    machine: ModuleMachine
    module: LoadedModule
    payload: bytes

    @classmethod
    def of(cls, device: SimulatedDevice) -> "Examiner":
        """Take over what a device runs; raises MachineFailure when it runs nothing."""
        firmware = device.firmware
        module = firmware.modules.in_use if firmware is not None else None
        if firmware is None or module is None:
            raise MachineFailure(f"{device.endpoint} runs no module")
        return cls(firmware.modules.machine, module, firmware.modules.payload(module))

    async def accuracy(self, weights: bytes) -> float:
        """Return the share of the test part that is right, 0 to 1."""
        return await asyncio.to_thread(partial(self._accuracy, weights))

    def _accuracy(self, weights: bytes) -> float:
        descriptor, test = self.module.descriptor, load_digits_split().test
        learning = descriptor.learning
        if learning is None:
            raise MachineFailure("the module does not learn")
        right = 0
        for image, label in zip(test.images, test.labels, strict=True):
            inputs = (quantise(image[None], descriptor.inputs[0]), control(keep=True))
            done = self.machine.infer_now(self.payload, descriptor, inputs, ((learning.offset, weights),))
            right += int(numpy.frombuffer(done.outputs[0], numpy.int8).argmax()) == label
        return right / len(test)
