"""Convolutions and fully connected layers on float32."""

from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels import transpose_convolution
from lwm2m_ml.compiler.backends.native.kernels.floating.mathematics import activated
from lwm2m_ml.compiler.backends.native.kernels.geometry import window_geometry
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import Convolution, DepthwiseConvolution, FullyConnected, TransposeConvolution

_CONVOLUTION = """
static void @NAME@(const float *input, float *output, const float *weights, const float *bias)
{
  for (int32_t image = 0; image < $IMAGES; ++image, input += $IMAGE_ELEMENTS)
  for (int32_t y = 0; y < $OUT_HEIGHT; ++y)
  for (int32_t x = 0; x < $OUT_WIDTH; ++x) {
    const float *weight = weights;
    for (int32_t channel = 0; channel < $OUT_CHANNELS; ++channel) {
      const float *part = input + channel / $GROUP_OUTPUTS * $GROUP_INPUTS;
      float sum = bias[channel];
      for (int32_t ky = 0; ky < $WINDOW_HEIGHT; ++ky) {
        int32_t row = y * $STRIDE_Y - $TOP + ky * $DILATION_Y;
        for (int32_t kx = 0; kx < $WINDOW_WIDTH; ++kx, weight += $GROUP_INPUTS) {
          int32_t column = x * $STRIDE_X - $LEFT + kx * $DILATION_X;
          if ((uint32_t)row >= $IN_HEIGHT || (uint32_t)column >= $IN_WIDTH) continue;
          const float *pixel = part + (row * $IN_WIDTH + column) * $IN_CHANNELS;
          for (int32_t i = 0; i < $GROUP_INPUTS; ++i) sum += pixel[i] * weight[i];
        }
      }
      *output++ = $VALUE;
    }
  }
}
"""
_DEPTHWISE = """
static void @NAME@(const float *input, float *output, const float *weights, const float *bias)
{
  for (int32_t image = 0; image < $IMAGES; ++image, input += $IMAGE_ELEMENTS)
  for (int32_t y = 0; y < $OUT_HEIGHT; ++y)
  for (int32_t x = 0; x < $OUT_WIDTH; ++x)
  for (int32_t channel = 0; channel < $OUT_CHANNELS; ++channel) {
    const float *plane = input + channel / $MULTIPLICITY;
    const float *weight = weights + channel;
    float sum = bias[channel];
    for (int32_t ky = 0; ky < $WINDOW_HEIGHT; ++ky) {
      int32_t row = y * $STRIDE_Y - $TOP + ky * $DILATION_Y;
      for (int32_t kx = 0; kx < $WINDOW_WIDTH; ++kx, weight += $OUT_CHANNELS) {
        int32_t column = x * $STRIDE_X - $LEFT + kx * $DILATION_X;
        if ((uint32_t)row < $IN_HEIGHT && (uint32_t)column < $IN_WIDTH)
          sum += plane[(row * $IN_WIDTH + column) * $IN_CHANNELS] * *weight;
      }
    }
    *output++ = $VALUE;
  }
}
"""
_FULLY_CONNECTED = """
static void @NAME@(const float *input, float *output, const float *weights, const float *bias)
{
  for (int32_t row = 0; row < $ROWS; ++row, input += $INPUTS) {
    const float *weight = weights;
    for (int32_t channel = 0; channel < $OUTPUTS; ++channel, weight += $INPUTS) {
      float sum = bias[channel];
      for (int32_t i = 0; i < $INPUTS; ++i) sum += input[i] * weight[i];
      *output++ = $VALUE;
    }
  }
}
"""


@dataclass(frozen=True, slots=True)
class FloatLayer(Portable):
    """Nested loops; one function per shape."""

    name: str = "layer, float32"

    def accepts(self, layer: Layer) -> bool:
        """Every layer with weights."""
        return isinstance(layer.kind, Convolution | DepthwiseConvolution | FullyConnected | TransposeConvolution)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One call with the weights and biases as they are."""
        _, weights, bias = layer.operands
        function = program.function("layer", _text(layer, program))
        constants = f"{program.constant(weights.values)}, {program.constant(bias.values)}"
        return f"{function}((const void *){places.operands[0]}, (void *){places.result}, {constants});"


def _text(layer: Layer, program: Program) -> str:
    kind = layer.kind
    assert isinstance(kind, Convolution | DepthwiseConvolution | FullyConnected | TransposeConvolution)  # noqa: S101
    value = activated(program, "sum", kind.activation)
    image, weights, _ = layer.operands
    if isinstance(kind, FullyConnected):
        return fill(_FULLY_CONNECTED, VALUE=value, ROWS=image.shape[0], INPUTS=image.shape[1], OUTPUTS=weights.shape[0])
    if isinstance(kind, TransposeConvolution):
        types = {"TYPE": "float", "SUM": "float", "PARAMETERS": "", "OFFSET": ""}
        return fill(transpose_convolution.TEMPLATE, SCALED=value, **types, **transpose_convolution.geometry(layer))
    if isinstance(kind, DepthwiseConvolution):
        multiplicity = weights.shape[2] // image.shape[3]
        return fill(_DEPTHWISE, VALUE=value, MULTIPLICITY=multiplicity, **window_geometry(layer, weights.shape[0:2]))
    groups = {"GROUP_OUTPUTS": weights.shape[0] // kind.groups, "GROUP_INPUTS": weights.shape[3]}
    return fill(_CONVOLUTION, VALUE=value, **groups, **window_geometry(layer, weights.shape[1:3]))


KERNELS: tuple[Kernel, ...] = (FloatLayer(),)
