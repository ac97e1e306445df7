"""Pools and means on float32."""

import math
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels import mean
from lwm2m_ml.compiler.backends.native.kernels.floating.mathematics import activated, real
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import AveragePool, MaxPool, Mean

_POOL = """
static void @NAME@(const float *input, float *output)
{
  for (int32_t image = 0; image < $IMAGES; ++image, input += $IMAGE_ELEMENTS)
  for (int32_t y = 0; y < $OUT_HEIGHT; ++y)
  for (int32_t x = 0; x < $OUT_WIDTH; ++x)
  for (int32_t channel = 0; channel < $CHANNELS; ++channel) {
    float value = $START;
    int32_t count = 0;
    for (int32_t ky = 0; ky < $WINDOW_HEIGHT; ++ky) {
      int32_t row = y * $STRIDE_Y - $TOP + ky;
      for (int32_t kx = 0; kx < $WINDOW_WIDTH; ++kx) {
        int32_t column = x * $STRIDE_X - $LEFT + kx;
        if ((uint32_t)row >= $IN_HEIGHT || (uint32_t)column >= $IN_WIDTH) continue;
        float next = input[(row * $IN_WIDTH + column) * $CHANNELS + channel];
        $STEP
        ++count;
      }
    }
    *output++ = $VALUE;
  }
}
"""
_MAXIMUM = ("-0x1.fffffep127f", "if (next > value) value = next;", "value")
_AVERAGE = ("0.0f", "value += next;", "value / (float)count")


@dataclass(frozen=True, slots=True)
class FloatPool(Portable):
    """Window by window."""

    name: str = "pool, float32"

    def accepts(self, layer: Layer) -> bool:
        """Every pool."""
        return isinstance(layer.kind, AveragePool | MaxPool)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        kind = layer.kind
        assert isinstance(kind, AveragePool | MaxPool)  # noqa: S101 - see accepts
        image = layer.operands[0]
        start, step, value = _MAXIMUM if isinstance(kind, MaxPool) else _AVERAGE
        text = fill(
            _POOL,
            IMAGES=image.shape[0],
            IMAGE_ELEMENTS=image.elements // image.shape[0],
            OUT_HEIGHT=layer.result.shape[1],
            OUT_WIDTH=layer.result.shape[2],
            CHANNELS=image.shape[3],
            START=start,
            STEP=step,
            WINDOW_HEIGHT=kind.window[0],
            WINDOW_WIDTH=kind.window[1],
            IN_HEIGHT=image.shape[1],
            IN_WIDTH=image.shape[2],
            STRIDE_Y=kind.stride[0],
            STRIDE_X=kind.stride[1],
            TOP=kind.padding.top,
            LEFT=kind.padding.left,
            VALUE=activated(program, value, kind.activation),
        )
        return f"{program.function('pool', text)}((const void *){places.operands[0]}, (void *){places.result});"


@dataclass(frozen=True, slots=True)
class FloatMean(Portable):
    """One sum after the other."""

    name: str = "mean, float32"

    def accepts(self, layer: Layer) -> bool:
        """Every mean."""
        return isinstance(layer.kind, Mean)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        kind = layer.kind
        assert isinstance(kind, Mean)  # noqa: S101 - see accepts
        count = math.prod(layer.operands[0].shape[axis] for axis in kind.axes)
        value = f"sum / {real(count)}"
        text = fill(mean.TEMPLATE, TYPE="float", SUM="float", OFFSET="0.0f", VALUE=value, **mean.axes_of(layer))
        return f"{program.function('mean', text)}((const void *){places.operands[0]}, (void *){places.result});"


KERNELS: tuple[Kernel, ...] = (FloatPool(), FloatMean())
