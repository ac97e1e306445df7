"""Two-dimensional convolution in plain C: any stride, padding, dilation and groups."""

from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.bias import folded_bias
from lwm2m_ml.compiler.backends.native.kernels.geometry import window_geometry
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.kernels.wide import element_types
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import scaling
from lwm2m_ml.compiler.ir.kinds import Convolution
from lwm2m_ml.compiler.reference.requantization import zero_point_of

_TEMPLATE = """
static void @NAME@(const $INPUT *input, $OUTPUT *output, const int8_t *weights, const int32_t *bias$PARAMETERS)
{
  for (int32_t image = 0; image < $IMAGES; ++image, input += $IMAGE_ELEMENTS)
  for (int32_t y = 0; y < $OUT_HEIGHT; ++y)
  for (int32_t x = 0; x < $OUT_WIDTH; ++x) {
    const int8_t *weight = weights;
    for (int32_t channel = 0; channel < $OUT_CHANNELS; ++channel) {
      const $INPUT *part = input + channel / $GROUP_OUTPUTS * $GROUP_INPUTS;
      $SUM sum = bias[channel];
      for (int32_t ky = 0; ky < $WINDOW_HEIGHT; ++ky) {
        int32_t row = y * $STRIDE_Y - $TOP + ky * $DILATION_Y;
        for (int32_t kx = 0; kx < $WINDOW_WIDTH; ++kx) {
          int32_t column = x * $STRIDE_X - $LEFT + kx * $DILATION_X;
          $INSIDE{
            const $INPUT *pixel = part + (row * $IN_WIDTH + column) * $IN_CHANNELS;
            for (int32_t i = 0; i < $GROUP_INPUTS; ++i) sum += (pixel[i]$OFFSET) * weight[i];
          }
          weight += $GROUP_INPUTS;
        }
      }
      *output++ = $SCALED;
    }
  }
}
"""
_INSIDE = "if ((uint32_t)row < $IN_HEIGHT && (uint32_t)column < $IN_WIDTH) "


@dataclass(frozen=True, slots=True)
class PlainConvolution(Portable):
    """Six nested loops; the smallest code."""

    name: str = "convolution, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every convolution."""
        return isinstance(layer.kind, Convolution)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        kind = layer.kind
        assert isinstance(kind, Convolution)  # noqa: S101 - see accepts
        image, weights, bias = layer.operands
        values = weights.values
        # Without padding every result sums over all weights, so the zero point folds into the bias.
        folded = folded_bias(layer, values.reshape(len(values), -1).sum(1)) if kind.padding.is_zero else None
        offset = zero_point_of(image) if folded is None else 0
        scale = scaling(program, layer.requantization)
        text = fill(
            _TEMPLATE.replace("$INSIDE", "" if kind.padding.is_zero else _INSIDE),
            **element_types(layer),
            PARAMETERS=scale.parameters,
            **window_geometry(layer, weights.shape[1:3]),
            GROUP_OUTPUTS=weights.shape[0] // kind.groups,
            GROUP_INPUTS=weights.shape[3],
            OFFSET=f" - ({offset})" if offset else "",
            SCALED=scale.expression("sum"),
        )
        function = program.function("convolution", text)
        biases = program.constant(bias.values if folded is None else folded)
        constants = f"{program.constant(values)}, {biases}{scale.arguments}"
        return f"{function}((const void *){places.operands[0]}, (void *){places.result}, {constants});"


KERNELS: tuple[Kernel, ...] = (PlainConvolution(),)
