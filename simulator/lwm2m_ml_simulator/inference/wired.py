"""One module and its wiring: what it is given, whether it is to run, and where what it puts out goes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy

from lwm2m_ml.lwm2m.expressions import is_true
from lwm2m_ml.lwm2m.model_wiring import BEFORE, VALUE, Wire, Wiring, name_of
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml_simulator.device.object_ids import ML_RESULT
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.inference.links import Links
from lwm2m_ml_simulator.inference.log import NO_FRAME
from lwm2m_ml_simulator.inference.sensor import Frame
from lwm2m_ml_simulator.inference.signals import Signal, as_numbers, as_tensor, compute
from lwm2m_ml_simulator.objects.binary_app_data import BinaryAppData, Samples
from lwm2m_ml_simulator.processor.machine import FloatArray


class SensorEnded(Exception):
    """The stream of a device's sensor has come to its end."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a module is given: signals by the names of their labels, what is missing left out; and the frame's place."""

    signals: dict[str, Signal]
    frame: int = NO_FRAME

    def equals(self, other: "Given | None") -> bool:
        """Whether nothing has changed since; a frame of the sensor is always something new."""
        return (
            other is not None
            and self.frame == NO_FRAME
            and self.signals.keys() == other.signals.keys()
            and all(numpy.array_equal(signal, other.signals[name]) for name, signal in self.signals.items())
        )


@dataclass(frozen=True, slots=True)
class WiredModule:
    """The module in a slot, wired. Labels that nobody wrote are the names of the module's tensors, in order."""

    slot: int
    descriptor: Descriptor
    wiring: Wiring
    links: Links

    def gather(self, read_sensor: Callable[[], Frame | None]) -> Given:
        """Read all inputs; raises SensorEnded."""
        signals: dict[str, Signal] = {}
        frame: Frame | None = None
        for wire, label in _labelled(self.wiring.inputs, self.descriptor.inputs):
            if wire.link is not None:
                signal = self.links.read(wire.link)
            else:
                frame = frame or read_sensor()
                if frame is None:
                    raise SensorEnded
                signal = frame.values
            if signal is not None:
                signals[name_of(label)] = signal
        return Given(signals, NO_FRAME if frame is None else frame.index)

    def is_wanted(self, given: Given) -> bool:
        """Whether the condition holds."""
        condition = self.wiring.condition_expression
        return condition is None or is_true(compute(condition, given.signals))

    def tensors(self, given: Given) -> tuple[FloatArray, ...] | None:
        """Return real values for every input of the module; None while one of them is not there yet.

        Raises MachineFailure for what does not fit.
        """
        wires = {label: wire for wire, label in _labelled(self.wiring.inputs, self.descriptor.inputs)}
        tensors: list[FloatArray] = []
        for tensor in self.descriptor.inputs:
            if tensor.name not in wires:
                raise MachineFailure(f"nothing is linked to input {tensor.name!r}")
            signal = given.signals.get(name_of(tensor.name))
            if signal is None:
                return None
            expression = wires[tensor.name].expression
            if expression is not None:
                signal = compute(expression, {**given.signals, VALUE: signal})
            tensors.append(as_tensor(signal, tensor))
        return tuple(tensors)

    def put_out(self, given: Given, outputs: Sequence[FloatArray]) -> tuple[FloatArray | None, bool]:
        """Write outputs to what they are linked to; returns what goes to the module's own result, not written here.

        Also tells whether anything was written. Raises MachineFailure for an output that is none.
        """
        named = {name_of(tensor.name): values for tensor, values in zip(self.descriptor.outputs, outputs, strict=True)}
        own: FloatArray | None = None
        written = False
        for wire, label in _labelled(self.wiring.outputs, self.descriptor.outputs):
            if wire.link is None:
                continue
            signal = self._put_out(wire, label, given, named)
            if wire.link.path == ObjectPath(ML_RESULT, self.slot):
                own = numpy.atleast_1d(numpy.asarray(signal, dtype=numpy.float32))
            elif wire.link.path.object_id == BinaryAppData.object_id:
                written |= self._pass_on(wire.link.path.instance_id or 0, label, signal)
            else:
                numbers = as_numbers(signal)
                written |= self.links.write(wire.link, numbers)
        return own, written

    def _put_out(self, wire: Wire, label: str, given: Given, named: dict[str, FloatArray]) -> Signal:
        """What a wire carries: an output, or an input that is passed on, as its transform makes it."""
        name = name_of(label)
        signal = named.get(name, given.signals.get(name))
        expression = wire.expression
        if signal is None:
            raise MachineFailure(f"{label!r} is neither an output nor an input of the model")
        if expression is None or wire.link is None:
            return signal
        before = self.links.read(wire.link)
        return compute(
            expression, {**given.signals, **named, VALUE: signal, BEFORE: math.nan if before is None else before}
        )

    def _pass_on(self, instance: int, label: str, signal: Signal) -> bool:
        """Keep samples in object 19 as the tensor's integers; what is not a number stays away."""
        values = numpy.atleast_1d(numpy.asarray(signal, dtype=numpy.float32))
        tensors = (*self.descriptor.outputs, *self.descriptor.inputs)
        tensor = next((tensor for tensor in tensors if name_of(tensor.name) == name_of(label)), None)
        if tensor is None or not numpy.isfinite(values).all():
            return False
        self.links.on_data(instance, Samples.of(values, tensor))
        return True


def _labelled(wires: Sequence[Wire], tensors: Sequence[TensorDescriptor]) -> list[tuple[Wire, str]]:
    names = [tensor.name for tensor in tensors]
    return [(wire, wire.label or (names[number] if number < len(names) else "")) for number, wire in enumerate(wires)]
