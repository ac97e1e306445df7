"""Operations that move bytes: reshape, transpose, pad, slice, concatenate."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.loops import loops
from lwm2m_ml.compiler.backends.native.kernels.loops import steps as steps_of
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.kernels.resizing import c_type
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir import DataType
from lwm2m_ml.compiler.ir.kinds import Concatenate, Pad, Reshape, Slice, Transpose
from lwm2m_ml.compiler.reference.integer_kernels import pad_value

_COPY = """
static void @NAME@(const int8_t *input, int8_t *output, int32_t rows, int32_t bytes, int32_t step, int32_t skip)
{
  for (; rows > 0; --rows, input += step, output += skip)
    for (int32_t i = 0; i < bytes; ++i) output[i] = input[i];
}
"""
_FILL = """
static void @NAME@($TYPE *output, int32_t elements, $TYPE value)
{
  for (int32_t i = 0; i < elements; ++i) output[i] = value;
}
"""
_GATHER = """
static void @NAME@(const $TYPE *input, $TYPE *output)
{
  $LOOPS *output++ = input[$INDEX];
}
"""
_SCATTER = """
static void @NAME@(const $TYPE *input, $TYPE *output)
{
  $LOOPS output[$INDEX] = *input++;
}
"""


@dataclass(frozen=True, slots=True)
class View(Portable):
    """A reshape in place costs nothing; a copy where the operand is still needed."""

    name: str = "view"

    def accepts(self, layer: Layer) -> bool:
        """Every reshape."""
        return isinstance(layer.kind, Reshape)

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """In place."""
        return {0: 0}

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """Nothing, or a copy."""
        if places.operands[0] == places.result:
            return ""
        function = program.function("copy", _COPY)
        return f"{function}({places.operands[0]}, {places.result}, 1, {layer.result.bytes}, 0, 0);"


@dataclass(frozen=True, slots=True)
class Gather(Portable):
    """Transposes and slices: results in order, operands fetched."""

    name: str = "gather"

    def accepts(self, layer: Layer) -> bool:
        """Every transpose and slice."""
        return isinstance(layer.kind, Transpose | Slice)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        steps = steps_of(layer.operands[0].shape)
        if isinstance(layer.kind, Transpose):
            start, axis_steps = 0, [steps[axis] for axis in layer.kind.permutation]
        else:
            assert isinstance(layer.kind, Slice)  # noqa: S101 - see accepts
            start = sum(begin * step for begin, step in zip(layer.kind.begin, steps, strict=True))
            axis_steps = [step * by for step, by in zip(steps, layer.kind.step, strict=True)]
        index = " + ".join([str(start), *(f"i{axis} * {step}" for axis, step in enumerate(axis_steps))])
        text = fill(_GATHER, TYPE=c_type(layer), LOOPS=loops(layer.result.shape), INDEX=index)
        return f"{program.function('gather', text)}((const void *){places.operands[0]}, (void *){places.result});"


@dataclass(frozen=True, slots=True)
class Surround(Portable):
    """Padding: the result filled with the value, then the operand put into it."""

    name: str = "pad"

    def accepts(self, layer: Layer) -> bool:
        """Every pad."""
        return isinstance(layer.kind, Pad)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """Two loops."""
        kind = layer.kind
        assert isinstance(kind, Pad)  # noqa: S101 - see accepts
        steps = steps_of(layer.result.shape)
        start = sum(before * step for before, step in zip(kind.before, steps, strict=True))
        index = " + ".join([str(start), *(f"i{axis} * {step}" for axis, step in enumerate(steps))])
        text = fill(_SCATTER, TYPE=c_type(layer), LOOPS=loops(layer.operands[0].shape), INDEX=index)
        clear = program.function("fill", fill(_FILL, TYPE=c_type(layer)))
        scatter = program.function("scatter", text)
        return (
            f"{clear}((void *){places.result}, {layer.result.elements}, {_code(layer)});"
            f" {scatter}((const void *){places.operands[0]}, (void *){places.result});"
        )


def _code(layer: Layer) -> int:
    """The integer that has the same bits as the value to pad with."""
    if layer.result.dtype is DataType.INT8:
        return pad_value(layer.graph, layer.operation)
    kind = layer.kind
    assert isinstance(kind, Pad)  # noqa: S101 - see Surround
    return int(numpy.float32(kind.value).view(numpy.int32))


@dataclass(frozen=True, slots=True)
class Join(Portable):
    """Concatenation: rows of each operand copied side by side."""

    name: str = "concatenate"

    def accepts(self, layer: Layer) -> bool:
        """Every concatenation."""
        return isinstance(layer.kind, Concatenate)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One call of a shared copy function per operand."""
        kind = layer.kind
        assert isinstance(kind, Concatenate)  # noqa: S101 - see accepts
        copy = program.function("copy", _COPY)
        inner = steps_of(layer.result.shape)[kind.axis] * layer.result.dtype.bytes
        row = layer.result.shape[kind.axis] * inner
        rows = layer.result.bytes // row
        statements, start = [], 0
        for operand, place in zip(layer.operands, places.operands, strict=True):
            bytes_per_row = operand.shape[kind.axis] * inner
            target = f"{places.result} + {start}"
            statements.append(f"{copy}({place}, {target}, {rows}, {bytes_per_row}, {bytes_per_row}, {row});")
            start += bytes_per_row
        return " ".join(statements)


KERNELS: tuple[Kernel, ...] = (View(), Gather(), Surround(), Join())
