"""Depthwise 3×3 convolution channel by channel through a padded plane of unsigned bytes, in plain C."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.bias import LARGEST_BIAS
from lwm2m_ml.compiler.backends.native.kernels.constants import (
    LARGEST_LENGTH,
    byte_words,
    channel_parameters,
    driver,
    peers,
)
from lwm2m_ml.compiler.backends.native.kernels.scalar import is_scalar
from lwm2m_ml.compiler.backends.native.kernels.scalar.requantize import (
    SCALING,
    scalable,
    scale_function,
    scaling_lengths,
    unpacked,
)
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import DepthwiseConvolution
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.requantization import zero_point_of

# The smallest cores load unsigned bytes at an offset in one instruction, signed ones in two.
_OFFSET = 128
_DRIVER = """
static __attribute__((noinline)) void @NAME@(const int8_t *input, int8_t *output, uint8_t *plane,
  const uint32_t *constants)
{
  const int32_t *parameters = (const int32_t *)$REST;
  const int8_t *weight = (const int8_t *)(parameters + 2 * CHANNELS);
  for (int32_t i = 0; i < PLANE; ++i) plane[i] = ZERO;
  for (int32_t channel = 0; channel < CHANNELS; ++channel, parameters += 2, weight += 9) {
    const int8_t *source = input++;
    uint8_t *target = plane + START;
    for (int32_t row = 0; row < IN_HEIGHT; ++row, target += PITCH - IN_WIDTH)
      for (int32_t column = 0; column < IN_WIDTH; ++column, source += CHANNELS) *target++ = (uint8_t)(*source ^ 0x80);
    int8_t *place = output++;
    $UNPACKED
    const uint8_t *line = plane;
    int32_t a = weight[0], b = weight[1], c = weight[2], d = weight[3], e = weight[4], f = weight[5];
    int32_t g = weight[6], h = weight[7], i = weight[8];
    for (int32_t row = 0; row < OUT_HEIGHT; ++row, line += PITCH * STRIDE) {
      const uint8_t *p = line, *q = p + PITCH, *r = q + PITCH;
      for (int32_t column = 0; column < OUT_WIDTH; ++column, place += CHANNELS, p += STRIDE, q += STRIDE, r += STRIDE) {
        int32_t sum = p[0] * a + p[1] * b + p[2] * c + q[0] * d + q[1] * e + q[2] * f;
        sum += r[0] * g + r[1] * h + r[2] * i;
        *place = $SCALE(sum + bias, multiplier, shift, term, $SCALING);
      }
    }
  }
}
"""


def _bias(layer: Layer) -> Array | None:
    """The biases with zero point and offset folded in; padding holds the zero point."""
    _, weights, bias = layer.operands
    sums = weights.values.sum(axis=(0, 1), dtype=numpy.int64)
    folded = bias.values.astype(numpy.int64) - (zero_point_of(layer.operands[0]) + _OFFSET) * sums
    return folded.astype(numpy.int32) if numpy.abs(folded).max(initial=0) <= LARGEST_BIAS else None


def _filters(layer: Layer) -> Array:
    return layer.operands[1].values.reshape(9, -1).T


def _shape(layer: Layer) -> dict[str, int]:
    kind = layer.kind
    assert isinstance(kind, DepthwiseConvolution)  # noqa: S101 - see accepts
    _, height, width, channels = layer.operands[0].shape
    _, out_height, out_width, _ = layer.result.shape
    pitch = max(kind.padding.left + width, (out_width - 1) * kind.stride[1] + 3)
    rows = max(kind.padding.top + height, (out_height - 1) * kind.stride[0] + 3)
    return {
        "CHANNELS": channels,
        "OUT_WIDTH": out_width,
        "OUT_HEIGHT": out_height,
        "PITCH": pitch,
        "IN_WIDTH": width,
        "IN_HEIGHT": height,
        "PLANE": pitch * rows,
        "ZERO": zero_point_of(layer.operands[0]) + _OFFSET,
        "START": kind.padding.top * pitch + kind.padding.left,
        "STRIDE": kind.stride[0],
    } | scaling_lengths(layer)


@dataclass(frozen=True, slots=True)
class BytePlaneDepthwise:
    """Any padding, equal strides; in place when operand and result have the same size."""

    name: str = "depthwise 3×3, plane of bytes"

    def accepts(self, layer: Layer) -> bool:
        """One image, a 3×3 window, as many results as operands, sums within bounds."""
        kind = layer.kind
        if not (isinstance(kind, DepthwiseConvolution) and is_scalar(layer.target)):
            return False
        image, weights, _ = layer.operands
        if image.shape[0] != 1 or weights.shape != (3, 3, image.shape[3]):
            return False
        bias = _bias(layer)
        return (
            kind.stride[0] == kind.stride[1]
            and kind.dilation == (1, 1)
            and max(_shape(layer).values()) < LARGEST_LENGTH
            and bias is not None
            and scalable(layer, _filters(layer), bias)
        )

    def scratch_bytes(self, layer: Layer) -> int:
        """One plane."""
        return _shape(layer)["PLANE"]

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """None that may be shifted: results of a channel lie between operands of the next ones."""
        return {}

    def replaces(self, layer: Layer) -> int | None:
        """In place exactly: a channel is in the plane before its results are written over it."""
        return 0 if layer.operands[0].shape == layer.result.shape else None

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """A driver with all its loops."""
        bias = _bias(layer)
        assert bias is not None  # noqa: S101 - see accepts
        text = _DRIVER.replace("$UNPACKED", unpacked("parameters")).replace("$SCALING", SCALING)
        words = numpy.concatenate([channel_parameters(layer, bias).reshape(-1), byte_words(_filters(layer))])
        text, words = driver(text, _shape(layer), map(_shape, peers(layer)), words)
        function = program.function("depthwise", fill(text, SCALE=scale_function(program, layer)))
        constants = program.constant(words, alignment=4)
        return f"{function}({places.operands[0]}, {places.result}, (uint8_t *){places.scratch}, {constants});"


KERNELS: tuple[Kernel, ...] = (BytePlaneDepthwise(),)
