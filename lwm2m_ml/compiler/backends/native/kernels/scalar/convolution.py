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
    peers,
)
from lwm2m_ml.compiler.backends.native.kernels.scalar import is_baseline, is_scalar
from lwm2m_ml.compiler.backends.native.kernels.scalar.columns import GATHER, IN_PLACE, copy_function
from lwm2m_ml.compiler.backends.native.kernels.scalar.dot import FILTERS, dot_function
from lwm2m_ml.compiler.backends.native.kernels.scalar.requantize import (
    SCALING,
    scalable,
    scale_function,
    scaling_lengths,
    shares_multiplier,
    unpacked,
)
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import Convolution, FullyConnected
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.requantization import zero_point_of

# Fewer than four channels are left: some are computed once more. Constants: words per channel, then the filters.
_DRIVER = """
static __attribute__((noinline)) void @NAME@(const int8_t *input, int8_t *output, int8_t *columns,
  const uint32_t *constants)
{
  const int32_t *parameters = (const int32_t *)$REST;
  const int8_t *weights = (const int8_t *)(parameters + $COMMON + $WORDS * CHANNELS);
  int32_t sums[4 * $COLUMNS], x = 0, y = 0;
  for (int32_t left = PIXELS; left > 0; left -= $COLUMNS) {$FILL
    int32_t step = left < $COLUMNS ? 0 : LENGTH;
    for (int32_t channel = 0; channel < CHANNELS; channel += 4) {
      int32_t first = channel < CHANNELS - 4 ? channel : CHANNELS - 4;
      $DOT(column, weights + first * LENGTH, LENGTH, sums, step);
      const int32_t *own = parameters + $COMMON + $WORDS * first;
      int8_t *place = output + first;
#pragma clang loop unroll(disable)
      for (int32_t i = 0; i < 4; ++i, own += $WORDS, ++place) {
        $UNPACKED
        $STORE
      }
    }
    output += $COLUMNS * CHANNELS;
  }
}
"""
_STORE_ONE = "*place = $SCALE(sums[i] + bias, multiplier, shift, term, $SCALING);"
_STORE_BOTH = """*place = $SCALE(sums[i] + bias, multiplier, shift, term, $SCALING);
        if (left > 1) place[CHANNELS] = $SCALE(sums[4 + i] + bias, multiplier, shift, term, $SCALING);"""
# The same with its text, which is long, once only.
_STORE_TWO = """int8_t *pixel = place;
        int32_t *sum = sums + i;
#pragma clang loop unroll(disable)
        for (int32_t n = left < 2; n < 2; ++n, pixel += CHANNELS, sum += 4)
          *pixel = $SCALE(*sum + bias, multiplier, shift, term, $SCALING);"""


def _filters(layer: Layer) -> Array:
    weights = layer.operands[1].values
    return weights.reshape(len(weights), -1)


def _bias(layer: Layer) -> Array | None:
    return folded_bias(layer, _filters(layer).sum(axis=1, dtype=numpy.int64))


def _in_one_piece(layer: Layer) -> bool:
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
    # Whether to gather columns that lie in one piece too, so that all layers have the same driver.
    gathers: bool = False

    @property
    def name(self) -> str:
        """Tells how many sums are computed at a time."""
        return f"products, 4 filters × {self.columns}" + (", gathered" if self.gathers else "")

    def accepts(self, layer: Layer) -> bool:
        """One group, windows without gaps in a row, four channels or more, sums within bounds.

        Two columns need more than one pixel, and more registers than the smallest cores have.
        """
        kind = layer.kind
        if not (layer.optimize == "size" or (is_scalar(layer.target) and not self.gathers)):
            return False
        if self.columns > 1 and (is_baseline(layer.target) or layer.result.elements == layer.result.shape[-1]):
            return False
        if isinstance(kind, Convolution):
            if (
                kind.groups != 1
                or kind.dilation[1] != 1
                or (layer.operands[0].shape[0] != 1 and not self._in_place(layer))
            ):
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
        return 0 if self._in_place(layer) else self.columns * int(_filters(layer).shape[1])

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """Columns are read, if not gathered before, until the last of their results is written."""
        channels = layer.result.shape[-1]
        kind = layer.kind
        if not self._in_place(layer):
            if not isinstance(kind, Convolution):
                rows, length = layer.operands[0].shape
                return {0: max(0, (rows - 1) * (channels - length))}
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
        shared = shares_multiplier(layer)
        text = _DRIVER.replace("$FILL", IN_PLACE if self._in_place(layer) else GATHER)
        two = _STORE_BOTH if layer.optimize == "speed" else _STORE_TWO
        text = text.replace("$STORE", two if self.columns > 1 else _STORE_ONE)
        text = text.replace("$UNPACKED", unpacked("own", "*parameters" if shared else None)).replace(
            "$SCALING", SCALING
        )
        parameters = channel_parameters(layer, bias)
        # A multiplier for all is in front, and each channel has one word.
        packed = [parameters[0, 1:], parameters[:, 0]] if shared else [parameters.reshape(-1)]
        words = numpy.concatenate([*packed, byte_words(_filters(layer))])
        text, words = driver(text, self._shape(layer), self._sharers(layer), words)
        text = fill(
            text,
            COLUMNS=self.columns,
            COMMON=int(shared),
            WORDS=1 if shared else 2,
            DOT=dot_function(program, layer.target, self.columns, unrolled=1 if layer.optimize == "size" else 4),
            SCALE=scale_function(program, layer),
            COPY="" if self._in_place(layer) else copy_function(program, layer.optimize),
        )
        constants = program.constant(words, alignment=4)
        function = program.function("products", text)
        return f"{function}({places.operands[0]}, {places.result}, (int8_t *){places.scratch}, {constants});"

    def _in_place(self, layer: Layer) -> bool:
        return not self.gathers and _in_one_piece(layer)

    def _sharers(self, layer: Layer) -> list[dict[str, int]]:
        """The shapes of the layers that may have the same driver, which must not depend on what the others choose."""
        if self._in_place(layer):
            return [self._shape(other) for other in peers(layer) if _in_one_piece(other)]
        if layer.optimize == "size":
            gathering = ColumnProducts(1, gathers=True)
            return [gathering._shape(other) for other in peers(layer, Convolution, FullyConnected)]
        return [self._shape(other) for other in peers(layer) if not _in_one_piece(other)]

    def _shape(self, layer: Layer) -> dict[str, int]:
        channels = layer.result.shape[-1]
        shape = {
            "PIXELS": layer.result.elements // channels,
            "CHANNELS": channels,
            "LENGTH": int(_filters(layer).shape[1]),
        } | scaling_lengths(layer)
        kind = layer.kind
        if self._in_place(layer):
            return shape
        if isinstance(kind, Convolution):
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
        else:
            # Rows are pixels of an image one pixel wide.
            shape |= dict.fromkeys(("IN_WIDTH", "OUT_WIDTH", "WINDOW_HEIGHT", "WINDOW_WIDTH"), 1)
            shape |= dict.fromkeys(("STRIDE_Y", "STRIDE_X", "DILATION_Y"), 1)
            shape |= {"TOP": 0, "LEFT": 0, "ZERO": 0}
            shape |= {"IN_HEIGHT": shape["PIXELS"], "IN_CHANNELS": shape["LENGTH"]}
        return shape


KERNELS: tuple[Kernel, ...] = (ColumnProducts(2), ColumnProducts(1), ColumnProducts(1, gathers=True))
