"""The CPU of a simulated MCU: runs a module's machine code as it lies in flash, and counts its instructions.

Latency is instructions divided by the clock: one instruction per cycle, without wait states, stalls or interrupts. That
is a lower bound of what the real part takes, not an estimate of it.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy
import numpy.typing

from lwm2m_ml.compiler.emulator import EmulationFault, ModuleRunner
from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.learning.memory import LearnedParameters, Preset
from lwm2m_ml_simulator.processor.benchmark import multiply_accumulates_per_second
from lwm2m_ml_simulator.processor.emulation import EmulationPool, shared_pool
from lwm2m_ml_simulator.processor.sampling import Sampling, outcome_key

Outcome = TypeVar("Outcome")
FloatArray = numpy.typing.NDArray[numpy.float32]
_INTEGER_TYPES = {name: numpy.dtype(name) for name in ("int8", "uint8", "int16", "int32")}


@dataclass(frozen=True, slots=True)
class Inference:
    """One run of a module: the raw output tensors, and what it cost."""

    outputs: tuple[bytes, ...]
    instructions: int
    stack_bytes: int
    latency_ms: float


class ModuleMachine:
    """Runs modules for one device. What it runs is handed in with every call, fresh from the device's flash."""

    def __init__(
        self,
        target: Target,
        clock_hz: float,
        pool: EmulationPool | None = None,
        *,
        executed_share: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.target = target
        self.clock_hz = clock_hz
        self.learned = LearnedParameters()
        self._pool = pool if pool is not None else shared_pool()
        self._sampling: Sampling[Inference] | None = None
        if executed_share < 1.0:
            self._sampling = Sampling(executed_share, seed, self._pool.outcomes)

    async def benchmark(self) -> float:
        """Return how many multiply-accumulates a plain loop does per second."""
        return await self._pool.run(partial(multiply_accumulates_per_second, self.target, self.clock_hz))

    async def infer(self, payload: bytes, descriptor: Descriptor, inputs: Sequence[bytes]) -> Inference:
        """Execute the module on raw input tensors; raises MachineFailure when it faults or says that it failed."""
        inputs, preset = self.learned.completed(payload, descriptor, inputs)
        if self._sampling is None:
            return await self._execute(payload, descriptor, inputs, preset)
        key = outcome_key(self.target.name, self.clock_hz, payload, (*inputs, *(part for _, part in preset)))
        known = self._sampling.recall(key)
        if known is not None:
            return known
        inference = await self._execute(payload, descriptor, inputs, preset)
        self._sampling.remember(key, inference)
        return inference

    async def _execute(
        self, payload: bytes, descriptor: Descriptor, inputs: Sequence[bytes], preset: Preset
    ) -> Inference:
        return await self.in_thread(partial(self.infer_now, payload, descriptor, tuple(inputs), preset))

    async def in_thread(self, work: Callable[[], Outcome]) -> Outcome:
        """Do something in a thread of the pool."""
        return await self._pool.run(work)

    def lend(self, payload: bytes, descriptor: Descriptor) -> AbstractContextManager[ModuleRunner]:
        """Lend an emulated CPU with the module loaded, whose arena keeps its content from call to call."""
        return self._pool.runners.borrow(payload, self.target, descriptor)

    def infer_now(
        self, payload: bytes, descriptor: Descriptor, inputs: Sequence[bytes], preset: Preset = ()
    ) -> Inference:
        """Execute the module in this thread; `preset` is written into the arena beside the inputs."""
        _check_inputs(descriptor, inputs)
        try:
            with self.lend(payload, descriptor) as runner:
                invocation = runner.invoke(
                    [*preset, *((tensor.offset, data) for tensor, data in zip(descriptor.inputs, inputs, strict=True))],
                    [(tensor.offset, tensor.bytes) for tensor in descriptor.outputs],
                )
        except EmulationFault as fault:
            raise MachineFailure(f"the module faulted: {fault.message}") from fault
        return Inference(
            outputs=invocation.outputs,
            instructions=invocation.instructions,
            stack_bytes=invocation.stack_bytes,
            latency_ms=invocation.instructions / self.clock_hz * 1000.0,
        )

    async def self_test(self, payload: bytes, descriptor: Descriptor) -> float:
        """Run the known-answer vectors; returns the share of right answers in percent, 100 without vectors."""
        right = 0
        for given, expected in descriptor.vectors:
            try:
                answer = await self.infer(payload, descriptor, _split(given, descriptor.inputs))
            except MachineFailure:
                continue
            right += b"".join(answer.outputs) == expected
        return 100.0 * right / len(descriptor.vectors) if descriptor.vectors else 100.0


def quantise(values: FloatArray, tensor: TensorDescriptor) -> bytes:
    """Turn real values into the tensor's integers: round half to even, then saturate, as ONNX QuantizeLinear does."""
    kind = _integer_type(tensor)
    limits = numpy.iinfo(kind)
    scaled = numpy.rint(values.astype(numpy.float32) / numpy.float32(tensor.scale)) + tensor.zero_point
    quantised: bytes = numpy.clip(scaled, limits.min, limits.max).astype(kind).tobytes()
    return quantised


def dequantise(data: bytes, tensor: TensorDescriptor) -> FloatArray:
    """Turn a tensor's integers into real values."""
    integers = numpy.frombuffer(data, dtype=_integer_type(tensor)).astype(numpy.int64)
    return ((integers - tensor.zero_point) * tensor.scale).astype(numpy.float32)


def _integer_type(tensor: TensorDescriptor) -> numpy.dtype[Any]:
    try:
        return _INTEGER_TYPES[tensor.dtype]
    except KeyError:
        raise MachineFailure(f"tensors of type {tensor.dtype} are not integers") from None


def _check_inputs(descriptor: Descriptor, inputs: Sequence[bytes]) -> None:
    if [tensor.bytes for tensor in descriptor.inputs] != [len(data) for data in inputs]:
        raise MachineFailure("the input does not have the size that the module expects")


def _split(data: bytes, tensors: Sequence[TensorDescriptor]) -> tuple[bytes, ...]:
    parts: list[bytes] = []
    for tensor in tensors:
        parts.append(data[: tensor.bytes])
        data = data[tensor.bytes :]
    return tuple(parts)
