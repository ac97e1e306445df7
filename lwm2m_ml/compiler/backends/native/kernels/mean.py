"""Means over axes in plain C."""

from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.loops import index, loops, steps
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import clamp_function, multiply_any_shift
from lwm2m_ml.compiler.ir.kinds import Mean
from lwm2m_ml.compiler.reference.mean import mean_parameters

TEMPLATE = """
static void @NAME@(const $TYPE *input, $TYPE *output)
{
  $OUTER{
    const $TYPE *first = input + $START;
    $SUM sum = $OFFSET;
    $INNER sum += first[$INDEX];
    *output++ = $VALUE;
  }
}
"""


def axes_of(layer: Layer) -> dict[str, str]:
    """Outer loops over the axes that stay and inner ones over those that are averaged."""
    kind = layer.kind
    assert isinstance(kind, Mean)  # noqa: S101 - see accepts
    shape = layer.operands[0].shape
    strides = steps(shape)
    kept = [axis for axis in range(len(shape)) if axis not in kind.axes]
    return {
        "OUTER": loops([shape[axis] for axis in kept], name="o"),
        "START": index([strides[axis] for axis in kept], name="o"),
        "INNER": loops([shape[axis] for axis in kind.axes]),
        "INDEX": index([strides[axis] for axis in kind.axes]),
    }


@dataclass(frozen=True, slots=True)
class PlainMean(Portable):
    """One sum after the other."""

    name: str = "mean, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every mean."""
        return isinstance(layer.kind, Mean)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape and scale."""
        parameters = mean_parameters(layer.graph, layer.operation)
        scaled = f"{multiply_any_shift(program)}(sum, {parameters.multiplier}, {parameters.shift})"
        value = f"{clamp_function(program)}({scaled} + ({parameters.zero_point}), -128, 127)"
        text = fill(TEMPLATE, TYPE="int8_t", SUM="int32_t", OFFSET=parameters.offset, VALUE=value, **axes_of(layer))
        return f"{program.function('mean', text)}({places.operands[0]}, {places.result});"


KERNELS: tuple[Kernel, ...] = (PlainMean(),)
