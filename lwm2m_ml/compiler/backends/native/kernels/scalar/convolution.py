"""Convolutions and fully connected layers as dot products of columns of operands with four filters at a time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.bias import folded_bias
from lwm2m_ml.compiler.backends.native.kernels.constants import (
    LARGEST_LENGTH,
    block_lead,
    byte_words,
    channel_parameters,
    driver,
    first_reads,
    specialises,
)
from lwm2m_ml.compiler.backends.native.kernels.scalar import is_baseline, is_scalar
from lwm2m_ml.compiler.backends.native.kernels.scalar.dot import FILTERS, dot_function
from lwm2m_ml.compiler.backends.native.kernels.scalar.requantize import UNPACKED, limits, scalable, scale_function
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import Convolution, FullyConnected
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.requantization import zero_point_of

# Fewer than four channels are left: some are computed once more. Constants: two words per channel, then the filters.
_DRIVER = """
static __attribute__((noinline)) void @NAME@(const int8_t *input, int8_t *output, int8_t *columns,
  const uint32_t *constants)
{
  const int32_t *parameters = (const int32_t *)$REST;
  const int8_t *weights = (const int8_t *)(parameters + 2 * CHANNELS);
  int32_t sums[4 * $COLUMNS], x = 0, y = 0;
  for (int32_t left = PIXELS; left > 0; left -= $COLUMNS) {$FILL
    int32_t step = left < $COLUMNS ? 0 : LENGTH;
    for (int32_t channel = 0; channel < CHANNELS; channel += 4) {
      int32_t first = channel < CHANNELS - 4 ? channel : CHANNELS - 4;
      $DOT(column, weights + first * LENGTH, LENGTH, sums, step);
      const int32_t *own = parameters + 2 * first;
      int8_t *place = output + first;
#pragma clang loop unroll(disable)
      for (int32_t i = 0; i < 4; ++i, own += 2, ++place) {
        $UNPACKED
        *place = $SCALE(sums[i] + bias, multiplier, shift, term, $LIMITS);$STORE_SECOND
      }
    }
    output += $COLUMNS * CHANNELS;
  }
}
"""
_STORE_SECOND = """
        if (step) place[CHANNELS] = $SCALE(sums[4 + i] + bias, multiplier, shift, term, $LIMITS);"""
# Columns lie in the operand as they are needed.
_IN_PLACE = """
    const int8_t *column = input;
    input += $COLUMNS * LENGTH;"""
_GATHER = """
    int8_t *target = columns;
    const int8_t *column = columns;
    for (int32_t i = 0; i < $COLUMNS && i < left; ++i) {
      int32_t start = x * STRIDE_X - LEFT, row = y * STRIDE_Y - TOP;
      for (int32_t ky = 0; ky < WINDOW_HEIGHT; ++ky, row += DILATION_Y)
        target = $COPY(target, input + (row * IN_WIDTH + start) * IN_CHANNELS, start * IN_CHANNELS,
          (uint32_t)row < IN_HEIGHT ? IN_WIDTH * IN_CHANNELS : 0, WINDOW_WIDTH * IN_CHANNELS, ZERO);
      if (++x == OUT_WIDTH) { x = 0; ++y; }
    }"""
# One row of a window: elements from `start` on of a row with `end` of them, zero points outside of it.
_COPY = """
static __attribute__((noinline)) int8_t *@NAME@(int8_t *target, const int8_t *source, int32_t start, int32_t end,
  int32_t length, int32_t zero)
{
  int32_t i = 0;
  if (start < 0) for (; i < length && i < -start; ++i) target[i] = (int8_t)zero;
  for (; i < length && i < end - start; ++i) target[i] = source[i];
  for (; i < length; ++i) target[i] = (int8_t)zero;
  return target + length;
}
"""


def _filters(layer: Layer) -> Array:
    weights = layer.operands[1].values
    return weights.reshape(len(weights), -1)


def _bias(layer: Layer) -> Array | None:
    return folded_bias(layer, _filters(layer).sum(axis=1, dtype=numpy.int64))


def _in_place(layer: Layer) -> bool:
    """Whether each column lies in the operand in one piece."""
    kind = layer.kind
    if isinstance(kind, FullyConnected):
        return True
    assert isinstance(kind, Convolution)  # noqa: S101 - see accepts
    return layer.operands[1].shape[1:3] == (1, 1) and kind.padding.is_zero and kind.stride == (1, 1)


@dataclass(frozen=True, slots=True)
class ColumnProducts:
    """One driver for convolutions, and for fully connected layers, whose rows are pixels of one position."""

    columns: int = 2

    @property
    def name(self) -> str:
        """Tells how many sums are computed at a time."""
        return f"products, 4 filters × {self.columns}"

    def accepts(self, layer: Layer) -> bool:
        """One group, windows without gaps in a row, four channels or more, sums within bounds.

        Two columns need more than one pixel, and more registers than the smallest cores have.
        """
        kind = layer.kind
        if not is_scalar(layer.target):
            return False
        if self.columns > 1 and (is_baseline(layer.target) or layer.result.elements == layer.result.shape[-1]):
            return False
        if isinstance(kind, Convolution):
            if kind.groups != 1 or kind.dilation[1] != 1 or (layer.operands[0].shape[0] != 1 and not _in_place(layer)):
                return False
        elif not isinstance(kind, FullyConnected):
            return False
        bias = _bias(layer)
        return (
            layer.result.shape[-1] >= FILTERS
            and max(self._shape(layer).values()) < LARGEST_LENGTH
            and bias is not None
            and scalable(layer, _filters(layer), bias)
        )

    def scratch_bytes(self, layer: Layer) -> int:
        """The columns that one call takes, unless they lie in the operand."""
        return 0 if _in_place(layer) else self.columns * int(_filters(layer).shape[1])

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """Columns are read, if not gathered before, until the last of their results is written."""
        channels = layer.result.shape[-1]
        kind = layer.kind
        if not _in_place(layer):
            assert isinstance(kind, Convolution)  # noqa: S101 - see accepts
            reads = first_reads(layer, kind.stride, kind.padding.top, kind.padding.left)
            return {0: block_lead(layer, reads, self.columns)}
        pixels = layer.result.elements // channels
        begins = numpy.arange(0, pixels, self.columns)
        ends = numpy.minimum(begins + self.columns, pixels)
        return {0: int(max(0, (ends * channels - begins * _filters(layer).shape[1]).max()))}

    def replaces(self, layer: Layer) -> int | None:
        """None; see `overlaps`."""
        return None

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """A driver; the products are shared by all layers."""
        bias = _bias(layer)
        assert bias is not None  # noqa: S101 - see accepts
        text = _DRIVER.replace("$FILL", _IN_PLACE if _in_place(layer) else _GATHER)
        text = text.replace("$STORE_SECOND", _STORE_SECOND if self.columns == 2 else "")
        text = text.replace("$UNPACKED", UNPACKED.replace("PARAMETERS", "own")).replace("$LIMITS", limits(layer))
        words = numpy.concatenate([channel_parameters(layer, bias).reshape(-1), byte_words(_filters(layer))])
        text, words = driver(text, self._shape(layer), words, specialised=specialises(layer))
        text = fill(
            text,
            COLUMNS=self.columns,
            DOT=dot_function(program, layer.target, self.columns),
            SCALE=scale_function(program, layer),
            COPY="" if _in_place(layer) else program.function("copy_row", _COPY),
        )
        constants = program.constant(words, alignment=4)
        function = program.function("products", text)
        return f"{function}({places.operands[0]}, {places.result}, (int8_t *){places.scratch}, {constants});"

    def _shape(self, layer: Layer) -> dict[str, int]:
        requantization, channels = layer.requantization, layer.result.shape[-1]
        shape = {
            "PIXELS": layer.result.elements // channels,
            "CHANNELS": channels,
            "LENGTH": int(_filters(layer).shape[1]),
            "ROUNDING": 2 * requantization.zero_point + 1,
            "LOW": requantization.low,
            "HIGH": requantization.high,
        }
        kind = layer.kind
        if isinstance(kind, Convolution) and not _in_place(layer):
            image, weights = layer.operands[0], layer.operands[1]
            shape |= {
                "IN_HEIGHT": image.shape[1],
                "IN_WIDTH": image.shape[2],
                "IN_CHANNELS": image.shape[3],
                "OUT_WIDTH": layer.result.shape[2],
                "WINDOW_HEIGHT": weights.shape[1],
                "WINDOW_WIDTH": weights.shape[2],
                "STRIDE_Y": kind.stride[0],
                "STRIDE_X": kind.stride[1],
                "TOP": kind.padding.top,
                "LEFT": kind.padding.left,
                "DILATION_Y": kind.dilation[0],
                "ZERO": zero_point_of(image),
            }
        return shape


KERNELS: tuple[Kernel, ...] = (ColumnProducts(2), ColumnProducts(1))
