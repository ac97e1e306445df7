"""Depthwise convolution in plain C."""

from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.bias import folded_bias
from lwm2m_ml.compiler.backends.native.kernels.geometry import window_geometry
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.kernels.wide import element_types
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import scaling
from lwm2m_ml.compiler.ir.kinds import DepthwiseConvolution
from lwm2m_ml.compiler.reference.requantization import zero_point_of

_TEMPLATE = """
static void @NAME@(const $INPUT *input, $OUTPUT *output, const int8_t *weights, const int32_t *bias$PARAMETERS)
{
  for (int32_t image = 0; image < $IMAGES; ++image, input += $IMAGE_ELEMENTS)
  for (int32_t y = 0; y < $OUT_HEIGHT; ++y)
  for (int32_t x = 0; x < $OUT_WIDTH; ++x)
  for (int32_t channel = 0; channel < $OUT_CHANNELS; ++channel) {
    const $INPUT *plane = input + channel / $MULTIPLICITY;
    const int8_t *weight = weights + channel;
    $SUM sum = bias[channel];
    for (int32_t ky = 0; ky < $WINDOW_HEIGHT; ++ky) {
      int32_t row = y * $STRIDE_Y - $TOP + ky * $DILATION_Y;
      for (int32_t kx = 0; kx < $WINDOW_WIDTH; ++kx, weight += $OUT_CHANNELS) {
        int32_t column = x * $STRIDE_X - $LEFT + kx * $DILATION_X;
        $INSIDE
        sum += (plane[(row * $IN_WIDTH + column) * $IN_CHANNELS]$OFFSET) * *weight;
      }
    }
    *output++ = $SCALED;
  }
}
"""
_INSIDE = "if ((uint32_t)row < $IN_HEIGHT && (uint32_t)column < $IN_WIDTH)"


@dataclass(frozen=True, slots=True)
class PlainDepthwise(Portable):
    """Nested loops over pixels, channels and window; the smallest code."""

    name: str = "depthwise, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every depthwise convolution."""
        return isinstance(layer.kind, DepthwiseConvolution)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        kind = layer.kind
        assert isinstance(kind, DepthwiseConvolution)  # noqa: S101 - see accepts
        image, weights, bias = layer.operands
        folded = folded_bias(layer, weights.values.sum((0, 1), dtype="int64")) if kind.padding.is_zero else None
        offset = zero_point_of(image) if folded is None else 0
        scale = scaling(program, layer.requantization)
        text = fill(
            _TEMPLATE.replace("$INSIDE", "" if kind.padding.is_zero else _INSIDE),
            **element_types(layer),
            PARAMETERS=scale.parameters,
            **window_geometry(layer, weights.shape[0:2]),
            MULTIPLICITY=weights.shape[2] // image.shape[3],
            OFFSET=f" - ({offset})" if offset else "",
            SCALED=scale.expression("sum"),
        )
        function = program.function("depthwise", text)
        biases = program.constant(bias.values if folded is None else folded)
        constants = f"{program.constant(weights.values)}, {biases}{scale.arguments}"
        return f"{function}((const void *){places.operands[0]}, (void *){places.result}, {constants});"


KERNELS: tuple[Kernel, ...] = (PlainDepthwise(),)
