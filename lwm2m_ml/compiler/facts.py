"""What `compile` returns: the payload and its measured facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.arithmetic import dequantize_values, quantize_values
from lwm2m_ml.compiler.backends.interface import ArenaBuffer, Cost, LayerFact
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.targets import Target


@dataclass(frozen=True, slots=True)
class TensorFact:
    """An input or output: real = scale × (integer − zero point), at `offset` in the arena, rows first.

    Float32 tensors hold the real numbers themselves: scale 1, zero point 0.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int
    offset: int
    bytes: int

    def quantize(self, values: Array) -> Array:
        """Real values as the module takes them: divided in float32, rounded to nearest even, limited to int8."""
        if self.dtype == "float32":
            return numpy.asarray(values, numpy.float32)
        return quantize_values(numpy.asarray(values), self.scale, self.zero_point)

    def dequantize(self, values: Array) -> NDArray[numpy.float32]:
        """The real values of what the module gives."""
        return dequantize_values(numpy.asarray(values), self.scale, self.zero_point)


@dataclass(frozen=True, slots=True)
class LearningFact:
    """What a module that learns says of it: its last `layers` layers have `parameters` numbers that change.

    They are float32 and begin at `offset` in the arena. `state_bytes` is what of the arena must stay as it is from call
    to call while the device learns; `step_instructions` are the most that a call with an example and a step took.
    """

    layers: int
    parameters: int
    offset: int
    state_bytes: int
    step_instructions: int | None


@dataclass(frozen=True, slots=True)
class CompiledModule:
    """A module, proved by running it: `executor` tells on what, and is empty for one that nothing here can run.

    `flash_bytes` is the whole payload, of sources what they compile to; `ram_bytes` is arena and peak stack together;
    `instructions` are those of one inference, the most over all vectors, None where nothing counts them. `cost` repeats
    the figures and says whether they were measured or estimated, and by what. `vectors` pair the input bytes with the
    answer of the module; `compared_with` names the references whose answers they were compared with. `operators` are
    what an interpreter needs, `files` what belongs beside the module, `compiler` what made it. `learning` is there when
    the module can be trained.
    """

    payload: bytes
    target: Target
    backend: str
    format: str
    abi: str
    isa: tuple[str, ...]
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    instructions: int | None
    macs: int
    weight_bytes: int
    lower_bound_arena_bytes: int
    inputs: tuple[TensorFact, ...]
    outputs: tuple[TensorFact, ...]
    vectors: tuple[tuple[bytes, bytes], ...]
    max_abs_diff: float | None
    exact: bool
    reference: str
    optimize: str
    layers: tuple[LayerFact, ...]
    buffers: tuple[ArenaBuffer, ...]
    compared_with: tuple[str, ...]
    cost: Cost
    executor: str
    compiler: str
    executed_on: str | None = None
    bank_bytes: tuple[int, ...] = ()
    operators: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    learning: LearningFact | None = None

    @property
    def proved(self) -> bool:
        """Whether the module was run and answered right."""
        return bool(self.executor)
