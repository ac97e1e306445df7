"""Rectifiers with a slope per element in plain C."""

from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.loops import broadcast_steps, index, loops
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import clamp_function, multiply_any_shift
from lwm2m_ml.compiler.ir.kinds import ParametricRelu
from lwm2m_ml.compiler.reference.parametric_relu import prelu_multipliers
from lwm2m_ml.compiler.reference.requantization import zero_point_of

_TEMPLATE = """
static void @NAME@(const int8_t *input, const int8_t *slopes, int8_t *output)
{
  $LOOPS{
    int32_t value = *input++ - ($ZERO);
    value = value >= 0 ? $MULTIPLY(value, $ABOVE) : $MULTIPLY(value * (slopes[$INDEX] - ($SLOPE_ZERO)), $BELOW);
    *output++ = $CLAMP(value + ($RESULT_ZERO), -128, 127);
  }
}
"""


@dataclass(frozen=True, slots=True)
class PlainParametricRelu(Portable):
    """One loop, in place."""

    name: str = "parametric relu, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every parametric rectifier."""
        return isinstance(layer.kind, ParametricRelu)

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """In place: each element is read just before it is written."""
        return {0: 0}

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape and scale."""
        values, slopes = layer.operands
        above, below = prelu_multipliers(layer.graph, layer.operation)
        text = fill(
            _TEMPLATE,
            LOOPS=loops(layer.result.shape),
            INDEX=index(broadcast_steps(slopes.shape, layer.result.shape)),
            ZERO=zero_point_of(values),
            SLOPE_ZERO=zero_point_of(slopes),
            RESULT_ZERO=zero_point_of(layer.result),
            MULTIPLY=multiply_any_shift(program),
            CLAMP=clamp_function(program),
            ABOVE=f"{above[0]}, {above[1]}",
            BELOW=f"{below[0]}, {below[1]}",
        )
        return f"{program.function('parametric_relu', text)}({', '.join(places.operands)}, {places.result});"


KERNELS: tuple[Kernel, ...] = (PlainParametricRelu(),)
