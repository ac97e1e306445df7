"""One learning session: the module's training step, executed on the emulated processor, example by example."""

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.emulator import EmulationFault
from lwm2m_ml.compiler.emulator.runner import Runner
from lwm2m_ml.learning.terms import Method
from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.learning import CONTROL_INPUT, LearningDescriptor
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.learning.control import control
from lwm2m_ml_simulator.learning.examples import Example
from lwm2m_ml_simulator.processor.machine import ModuleMachine, quantise

Floats = NDArray[numpy.float32]
LOSS_OUTPUT = "learning.loss"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to learn: what resources 6 to 10 of ML Learning say."""

    method: Method = Method.AVERAGING
    epochs: int = 1
    batch: int = 8
    rate: float = 0.05
    momentum: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """The parameters after a session, the mean loss over its last pass, and what it cost."""

    parameters: Floats
    loss: float
    instructions: int
    calls: int


class Session:
    """Learns with one module from given parameters. What it does is done in the caller's thread."""

    def __init__(self, machine: ModuleMachine, payload: bytes, descriptor: Descriptor) -> None:
        if descriptor.learning is None:
            raise MachineFailure("the module does not learn")
        self._machine, self._payload, self._descriptor = machine, payload, descriptor
        self._learning: LearningDescriptor = descriptor.learning
        self._image = next(tensor for tensor in descriptor.inputs if tensor.name != CONTROL_INPUT)
        self._control = _named(descriptor.inputs, CONTROL_INPUT)
        self._loss = _named(descriptor.outputs, LOSS_OUTPUT)
        self._instructions = self._calls = 0

    def learn(self, weights: bytes, examples: Sequence[Example], recipe: Recipe, seed: int) -> Learnt:
        """Learn; raises MachineFailure when the module faults. The order of the examples is up to `seed`."""
        images = [quantise(example.values, self._image) for example in examples]
        order = list(range(len(examples)))
        generator = random.Random(seed)
        if recipe.method is Method.GRADIENT:
            recipe = Recipe(Method.GRADIENT, epochs=1, batch=len(examples), rate=1.0, momentum=0.0)
        self._instructions = self._calls = 0
        parameters, losses = weights, [0.0]
        with self._machine.lend(self._payload, self._descriptor) as runner:
            # Momentum and gradient begin at nothing; then the server's weights take the place of the module's own.
            self._call(runner, images[0], control())
            preset: tuple[tuple[int, bytes], ...] = ((self._learning.offset, weights),)
            for _ in range(recipe.epochs):
                generator.shuffle(order)
                losses = []
                for start in range(0, len(order), recipe.batch):
                    batch = order[start : start + recipe.batch]
                    for place, index in enumerate(batch):
                        word = control(
                            keep=True,
                            weight=1.0,
                            true_class=examples[index].true_class,
                            share=1.0 / len(batch) if place == len(batch) - 1 else 0.0,
                            rate=recipe.rate,
                            momentum=recipe.momentum,
                        )
                        loss, parameters = self._call(runner, images[index], word, preset)
                        losses.append(loss)
                        preset = ()
        values = numpy.frombuffer(parameters, "<f4").astype(numpy.float32)
        return Learnt(values, sum(losses) / len(losses), self._instructions, self._calls)

    def _call(
        self, runner: Runner, image: bytes, word: bytes, preset: tuple[tuple[int, bytes], ...] = ()
    ) -> tuple[float, bytes]:
        try:
            done = runner.invoke(
                [*preset, (self._image.offset, image), (self._control.offset, word)],
                [(self._loss.offset, self._loss.bytes), (self._learning.offset, self._learning.parameters_bytes)],
            )
        except EmulationFault as fault:
            raise MachineFailure(f"the module faulted: {fault.message}") from fault
        self._instructions += done.instructions
        self._calls += 1
        return float(struct.unpack("<f", done.outputs[0])[0]), done.outputs[1]


def _named(tensors: Sequence[TensorDescriptor], name: str) -> TensorDescriptor:
    found = next((tensor for tensor in tensors if tensor.name == name), None)
    if found is None:
        raise MachineFailure(f"the module has no tensor {name}")
    return found
