"""Transposed convolution in plain C: each result gathers the elements whose windows reach it."""

from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import scaling
from lwm2m_ml.compiler.ir.kinds import TransposeConvolution
from lwm2m_ml.compiler.reference.requantization import zero_point_of

# Also used for float32: the types and the last step are filled in.
TEMPLATE = """
static void @NAME@(const $TYPE *input, $TYPE *output, const $TYPE *weights, const $SUM *bias$PARAMETERS)
{
  for (int32_t image = 0; image < $IMAGES; ++image, input += $IMAGE_ELEMENTS)
  for (int32_t y = 0; y < $OUT_HEIGHT; ++y)
  for (int32_t x = 0; x < $OUT_WIDTH; ++x) {
    const $TYPE *weight = weights;
    for (int32_t channel = 0; channel < $OUT_CHANNELS; ++channel) {
      $SUM sum = bias[channel];
      for (int32_t ky = 0; ky < $WINDOW_HEIGHT; ++ky) {
        uint32_t down = (uint32_t)(y + $TOP - ky);
        uint32_t row = down / $STRIDE_Y;
        for (int32_t kx = 0; kx < $WINDOW_WIDTH; ++kx, weight += $IN_CHANNELS) {
          uint32_t across = (uint32_t)(x + $LEFT - kx);
          uint32_t column = across / $STRIDE_X;
          if (row >= $IN_HEIGHT || column >= $IN_WIDTH || row * $STRIDE_Y != down || column * $STRIDE_X != across)
            continue;
          const $TYPE *pixel = input + (row * $IN_WIDTH + column) * $IN_CHANNELS;
          for (int32_t i = 0; i < $IN_CHANNELS; ++i) sum += (pixel[i]$OFFSET) * weight[i];
        }
      }
      *output++ = $SCALED;
    }
  }
}
"""


def geometry(layer: Layer) -> dict[str, object]:
    """What the template needs to know of shapes."""
    kind = layer.kind
    assert isinstance(kind, TransposeConvolution)  # noqa: S101 - see accepts
    image, weights, _ = layer.operands
    return {
        "IMAGES": image.shape[0],
        "IMAGE_ELEMENTS": image.elements // image.shape[0],
        "OUT_HEIGHT": layer.result.shape[1],
        "OUT_WIDTH": layer.result.shape[2],
        "OUT_CHANNELS": layer.result.shape[3],
        "IN_HEIGHT": f"{image.shape[1]}u",
        "IN_WIDTH": f"{image.shape[2]}u",
        "IN_CHANNELS": image.shape[3],
        "WINDOW_HEIGHT": weights.shape[1],
        "WINDOW_WIDTH": weights.shape[2],
        "STRIDE_Y": f"{kind.stride[0]}u",
        "STRIDE_X": f"{kind.stride[1]}u",
        "TOP": kind.padding.top,
        "LEFT": kind.padding.left,
    }


@dataclass(frozen=True, slots=True)
class PlainTransposeConvolution(Portable):
    """Nested loops over results and windows; no working memory."""

    name: str = "transposed convolution, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every transposed convolution."""
        return isinstance(layer.kind, TransposeConvolution)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        image, weights, bias = layer.operands
        zero_point = zero_point_of(image)
        scale = scaling(program, layer.requantization)
        text = fill(
            TEMPLATE,
            TYPE="int8_t",
            SUM="int32_t",
            PARAMETERS=scale.parameters,
            OFFSET=f" - ({zero_point})" if zero_point else "",
            SCALED=scale.expression("sum"),
            **geometry(layer),
        )
        function = program.function("transpose_convolution", text)
        constants = f"{program.constant(weights.values)}, {program.constant(bias.values)}{scale.arguments}"
        return f"{function}({places.operands[0]}, {places.result}, {constants});"


KERNELS: tuple[Kernel, ...] = (PlainTransposeConvolution(),)
