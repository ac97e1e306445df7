"""Fully connected layers in plain C."""

from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.bias import folded_bias
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.kernels.wide import element_types
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import scaling
from lwm2m_ml.compiler.ir.kinds import FullyConnected
from lwm2m_ml.compiler.reference.requantization import zero_point_of

_TEMPLATE = """
static void @NAME@(const $INPUT *input, $OUTPUT *output, const int8_t *weights, const int32_t *bias$PARAMETERS)
{
  for (int32_t row = 0; row < $ROWS; ++row, input += $INPUTS) {
    const int8_t *weight = weights;
    for (int32_t channel = 0; channel < $OUTPUTS; ++channel, weight += $INPUTS) {
      $SUM sum = bias[channel];
      for (int32_t i = 0; i < $INPUTS; ++i) sum += (input[i]$OFFSET) * weight[i];
      *output++ = $SCALED;
    }
  }
}
"""


@dataclass(frozen=True, slots=True)
class PlainFullyConnected(Portable):
    """One dot product after the other."""

    name: str = "fully connected, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every fully connected layer."""
        return isinstance(layer.kind, FullyConnected)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        rows, weights, bias = layer.operands
        folded = folded_bias(layer, weights.values.sum(1, dtype="int64"))
        offset = zero_point_of(rows) if folded is None else 0
        scale = scaling(program, layer.requantization)
        text = fill(
            _TEMPLATE,
            **element_types(layer),
            PARAMETERS=scale.parameters,
            ROWS=rows.shape[0],
            INPUTS=rows.shape[1],
            OUTPUTS=weights.shape[0],
            OFFSET=f" - ({offset})" if offset else "",
            SCALED=scale.expression("sum"),
        )
        function = program.function("fully_connected", text)
        biases = program.constant(bias.values if folded is None else folded)
        constants = f"{program.constant(weights.values)}, {biases}{scale.arguments}"
        return f"{function}((const void *){places.operands[0]}, (void *){places.result}, {constants});"


KERNELS: tuple[Kernel, ...] = (PlainFullyConnected(),)
