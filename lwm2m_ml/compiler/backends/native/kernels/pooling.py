"""Average and maximum pools in plain C."""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.constants import driver, peers
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import clamp_function
from lwm2m_ml.compiler.ir.kinds import AveragePool, MaxPool
from lwm2m_ml.compiler.reference.requantization import limits_of

_TEMPLATE = """
static void @NAME@(const int8_t *input, int8_t *output, const uint32_t *constants)
{
  for (int32_t image = 0; image < IMAGES; ++image, input += IMAGE_BYTES)
  for (int32_t y = 0; y < OUT_HEIGHT; ++y)
  for (int32_t x = 0; x < OUT_WIDTH; ++x)
  for (int32_t channel = 0; channel < CHANNELS; ++channel) {
    int32_t value = $START;
    int32_t count = 0;
    int32_t row = y * STRIDE_Y - TOP;
    for (int32_t ky = 0; ky < WINDOW_HEIGHT; ++ky, ++row) {
      int32_t column = x * STRIDE_X - LEFT;
      const int8_t *next = input + (row * IN_WIDTH + column) * CHANNELS + channel;
      for (int32_t kx = 0; kx < WINDOW_WIDTH; ++kx, ++column, next += CHANNELS) {
        $INSIDE{
          $STEP
        }
      }
    }
    $FINISH
    *output++ = $CLAMP(value, LOW, HIGH);
  }
}
"""
_INSIDE = "if ((uint32_t)row < IN_HEIGHT && (uint32_t)column < IN_WIDTH) "
_MAXIMUM = ("-128", "if (*next > value) value = *next;", "(void)count;")
_AVERAGE = ("0", "value += *next; ++count;", "value = (value > 0 ? value + count / 2 : value - count / 2) / count;")
_AVERAGE_UNPADDED = (
    "0",
    "value += *next;",
    "(void)count; value = (value > 0 ? value + COUNT / 2 : value - COUNT / 2) / COUNT;",
)


@dataclass(frozen=True, slots=True)
class PlainPool(Portable):
    """Window by window."""

    name: str = "pool, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every pool."""
        return isinstance(layer.kind, AveragePool | MaxPool)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """A function that reads its lengths if several pools can share it."""
        kind = layer.kind
        assert isinstance(kind, AveragePool | MaxPool)  # noqa: S101 - see accepts
        padded = not kind.padding.is_zero
        start, step, finish = _MAXIMUM if isinstance(kind, MaxPool) else _AVERAGE if padded else _AVERAGE_UNPADDED
        text = _TEMPLATE.replace("$INSIDE", _INSIDE if padded else "").replace("$FINISH", finish)
        sharers = [_shape(other) for other in peers(layer)]
        text, words = driver(text, _shape(layer), sharers, numpy.zeros(0, numpy.uint32))
        text = fill(text, START=start, STEP=step, CLAMP=clamp_function(program))
        constants = program.constant(words, alignment=4) if len(words) else "0"
        return f"{program.function('pool', text)}({places.operands[0]}, {places.result}, {constants});"


def _shape(layer: Layer) -> dict[str, int]:
    kind, image = layer.kind, layer.operands[0]
    assert isinstance(kind, AveragePool | MaxPool)  # noqa: S101 - see accepts
    low, high = limits_of(layer.result, kind.activation)
    return {
        "IMAGES": image.shape[0],
        "IMAGE_BYTES": image.elements // image.shape[0],
        "OUT_HEIGHT": layer.result.shape[1],
        "OUT_WIDTH": layer.result.shape[2],
        "CHANNELS": image.shape[3],
        "WINDOW_HEIGHT": kind.window[0],
        "WINDOW_WIDTH": kind.window[1],
        "COUNT": kind.window[0] * kind.window[1],
        "IN_HEIGHT": image.shape[1],
        "IN_WIDTH": image.shape[2],
        "STRIDE_Y": kind.stride[0],
        "STRIDE_X": kind.stride[1],
        "TOP": kind.padding.top,
        "LEFT": kind.padding.left,
        "LOW": low,
        "HIGH": high,
    }


KERNELS: tuple[Kernel, ...] = (PlainPool(),)
