"""Convolutions and fully connected layers whose weights fit into 4 bits, two of them in a byte; in plain C.

Slower than the kernels on whole bytes and half as large: the search takes them where flash counts.
"""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.bias import folded_bias
from lwm2m_ml.compiler.backends.native.kernels.geometry import window_geometry
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import scaling
from lwm2m_ml.compiler.ir import Array
from lwm2m_ml.compiler.ir.kinds import Convolution, FullyConnected
from lwm2m_ml.compiler.reference.requantization import is_wide, zero_point_of

_LOWEST, _HIGHEST = -8, 7
# A row of operands times a row of weights: the first weight of a pair is the lower half of the byte.
_DOT = """
static int32_t @NAME@(const int8_t *input, const int8_t *weights, int32_t length)
{
  int32_t sum = 0, i = 1;
  for (; i < length; i += 2, ++weights)
    sum += (input[i - 1]$OFFSET) * ((int8_t)((uint8_t)*weights << 4) >> 4) + (input[i]$OFFSET) * (*weights >> 4);
  if (i == length) sum += (input[i - 1]$OFFSET) * ((int8_t)((uint8_t)*weights << 4) >> 4);
  return sum;
}
"""
_CONVOLUTION = """
static void @NAME@(const int8_t *input, int8_t *output, const int8_t *weights, const int32_t *bias$PARAMETERS)
{
  for (int32_t image = 0; image < $IMAGES; ++image, input += $IMAGE_ELEMENTS)
  for (int32_t y = 0; y < $OUT_HEIGHT; ++y)
  for (int32_t x = 0; x < $OUT_WIDTH; ++x) {
    const int8_t *weight = weights;
    for (int32_t channel = 0; channel < $OUT_CHANNELS; ++channel) {
      const int8_t *part = input + channel / $GROUP_OUTPUTS * $GROUP_INPUTS;
      int32_t sum = bias[channel];
      for (int32_t ky = 0; ky < $WINDOW_HEIGHT; ++ky) {
        int32_t row = y * $STRIDE_Y - $TOP + ky * $DILATION_Y;
        for (int32_t kx = 0; kx < $WINDOW_WIDTH; ++kx, weight += ($GROUP_INPUTS + 1) / 2) {
          int32_t column = x * $STRIDE_X - $LEFT + kx * $DILATION_X;
          if ((uint32_t)row < $IN_HEIGHT && (uint32_t)column < $IN_WIDTH)
            sum += $DOT(part + (row * $IN_WIDTH + column) * $IN_CHANNELS, weight, $GROUP_INPUTS);
        }
      }
      *output++ = $SCALED;
    }
  }
}
"""
_FULLY_CONNECTED = """
static void @NAME@(const int8_t *input, int8_t *output, const int8_t *weights, const int32_t *bias$PARAMETERS)
{
  for (int32_t row = 0; row < $ROWS; ++row, input += $INPUTS)
  for (int32_t channel = 0; channel < $OUTPUTS; ++channel) {
    int32_t sum = bias[channel] + $DOT(input, weights + channel * (($INPUTS + 1) / 2), $INPUTS);
    *output++ = $SCALED;
  }
}
"""


@dataclass(frozen=True, slots=True)
class Packed(Portable):
    """Nested loops around a dot product that unpacks as it goes."""

    name: str = "weights of 4 bits"

    def accepts(self, layer: Layer) -> bool:
        """Layers of int8 whose weights have codes of 4 bits, where packing them saves anything."""
        if not isinstance(layer.kind, Convolution | FullyConnected) or is_wide(layer.operands[0], layer.result):
            return False
        weights = layer.operands[1].values
        return weights.shape[-1] > 1 and int(weights.min()) >= _LOWEST and int(weights.max()) <= _HIGHEST

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape, one dot product for all."""
        weights, bias = layer.operands[1:]
        padded = isinstance(layer.kind, Convolution) and not layer.kind.padding.is_zero
        folded = None if padded else folded_bias(layer, weights.values.reshape(len(weights.values), -1).sum(1))
        offset = zero_point_of(layer.operands[0]) if folded is None else 0
        dot = program.function("packed_dot", fill(_DOT, OFFSET=f" - ({offset})" if offset else ""))
        scale = scaling(program, layer.requantization)
        more = {"PARAMETERS": scale.parameters, "SCALED": scale.expression("sum"), "DOT": dot}
        template, geometry = _form(layer)
        function = program.function("packed", fill(template, **geometry, **more))
        biases = program.constant(bias.values if folded is None else folded)
        constants = f"{program.constant(packed(weights.values))}, {biases}{scale.arguments}"
        return f"{function}({places.operands[0]}, {places.result}, {constants});"


def packed(weights: Array) -> Array:
    """Codes of 4 bits along the last axis in pairs, the first of a pair in the lower half of a byte."""
    pairs = numpy.pad(weights.reshape(-1, weights.shape[-1]), ((0, 0), (0, weights.shape[-1] % 2)))
    low, high = pairs[:, 0::2].astype(numpy.uint8), pairs[:, 1::2].astype(numpy.uint8)
    return ((high << 4) | (low & 15)).astype(numpy.uint8).view(numpy.int8)


def _form(layer: Layer) -> tuple[str, dict[str, object]]:
    image, weights, _ = layer.operands
    kind = layer.kind
    if isinstance(kind, FullyConnected):
        rows, inputs = image.shape
        return _FULLY_CONNECTED, {"ROWS": rows, "INPUTS": inputs, "OUTPUTS": weights.shape[0]}
    assert isinstance(kind, Convolution)  # noqa: S101 - see accepts
    groups = {"GROUP_OUTPUTS": weights.shape[0] // kind.groups, "GROUP_INPUTS": weights.shape[3]}
    return _CONVOLUTION, {**groups, **window_geometry(layer, weights.shape[1:3])}


KERNELS: tuple[Kernel, ...] = (Packed(),)
