"""Convolutions with SMLAD: the operands of three pixels are widened to 16 bits for the block kernel."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.armv7em import has_dsp
from lwm2m_ml.compiler.backends.native.kernels.armv7em.block import PIXELS, block_function, rounding_term
from lwm2m_ml.compiler.backends.native.kernels.armv7em.stream import packable, weight_stream
from lwm2m_ml.compiler.backends.native.kernels.bias import folded_bias
from lwm2m_ml.compiler.backends.native.kernels.constants import (
    LARGEST_LENGTH,
    block_lead,
    driver,
    first_reads,
    peers,
)
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import Convolution
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.requantization import zero_point_of

_WIDEN = """
typedef uint32_t __attribute__((aligned(1), may_alias)) any_word;
static inline void @NAME@(const int8_t *source, uint32_t *target, int32_t groups)
{
  const any_word *words = (const any_word *)source;
  do {
    uint32_t word = *words++, low, high;
    __asm__("sxtb16 %0, %1" : "=r"(low) : "r"(word));
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(high) : "r"(word));
    target[0] = low;
    target[3] = high;
    target += 6;
  } while (--groups);
}
"""
# Constants begin with the shape, so that all layers share one driver; a driver reads only the lengths that it names.
_POINTWISE = """
    $WIDEN(input, target, GROUPS);
    input += IN_CHANNELS;
"""
_POINTWISE_STRIDED = """
    $WIDEN(input + (y * STRIDE_Y * IN_WIDTH + x * STRIDE_X) * IN_CHANNELS, target, GROUPS);$NEXT
"""
_NEXT = """
    if (++x == OUT_WIDTH) { x = 0; ++y; }"""
_WINDOW = """
    for (int32_t ky = 0, k = 0; ky < WINDOW_HEIGHT; ++ky) {
      int32_t row = y * STRIDE_Y - TOP + ky * DILATION_Y;
      for (int32_t kx = 0; kx < WINDOW_WIDTH; ++kx) {
        int32_t column = x * STRIDE_X - LEFT + kx * DILATION_X;
        int32_t inside = (uint32_t)row < IN_HEIGHT && (uint32_t)column < IN_WIDTH;
        const int8_t *source = input + (row * IN_WIDTH + column) * IN_CHANNELS;$GATHER      }
    }$NEXT
"""
_BY_WORDS = """
        (void)k;
        if (inside) $WIDEN(source, target, IN_CHANNELS / 4);
        else for (int32_t i = 0; i < IN_CHANNELS / 2; ++i) target[i * 3] = (uint16_t)ZERO * 0x10001u;
        target += IN_CHANNELS / 2 * 3;
"""
_BY_BYTES = """
        for (int32_t i = 0; i < IN_CHANNELS; ++i, ++k)
          ((int16_t *)target)[(k >> 1) * 6 + (k & 1)] = inside ? source[i] : ZERO;
"""
_DRIVER = """
static __attribute__((noinline)) void @NAME@(const int8_t *input, int8_t *output, uint32_t *columns,
  const uint32_t *constants, block_kernel *block)
{
  int32_t filled = 0, x = 0, y = 0;
  for (int32_t left = OUT_PIXELS; left > 0; --left) {
    uint32_t *target = columns + filled;$FILL
    if (++filled < 3 && left > 1) continue;
    int8_t *place = filled == 3 ? output : (int8_t *)(columns + GROUPS * 6);
    const uint32_t *rest = block($REST, columns, place, OUT_CHANNELS, GROUPS, OUT_CHANNELS / 2, ROUNDING, $LIMITS);
    if (OUT_CHANNELS & 1)
      block(rest, columns, place + OUT_CHANNELS - 2, OUT_CHANNELS, GROUPS, 1, ROUNDING, $LIMITS);
    if (filled < 3) for (int32_t i = 0; i < filled * OUT_CHANNELS; ++i) output[i] = place[i];
    output += 3 * OUT_CHANNELS;
    filled = 0;
  }
}
"""


def _filters(layer: Layer) -> Array:
    weights = layer.operands[1].values
    return weights.reshape(len(weights), -1)


def _bias(layer: Layer) -> Array | None:
    return folded_bias(layer, _filters(layer).sum(axis=1, dtype=numpy.int64))


def _is_pointwise(layer: Layer) -> bool:
    """A pixel of one position is read by words whatever its length: what lies behind it meets weights of zero."""
    kind = layer.kind
    assert isinstance(kind, Convolution)  # noqa: S101 - see accepts
    return layer.operands[1].shape[1:3] == (1, 1) and kind.padding.is_zero


def _by_words(layer: Layer) -> bool:
    return _is_pointwise(layer) or layer.operands[0].shape[3] % 4 == 0


def _groups(layer: Layer) -> int:
    """Inputs of a filter in groups of four, the last filled up."""
    return -(-int(_filters(layer).shape[1]) // 4)


def _column_words(layer: Layer) -> int:
    return _groups(layer) * 2 * PIXELS


@dataclass(frozen=True, slots=True)
class BlockConvolution:
    """Convolution as products of widened columns with packed weights."""

    name: str = "convolution, SMLAD 2×3"

    def accepts(self, layer: Layer) -> bool:
        """One image, one group, an even or odd number of at least two channels, sums within the packing's bounds."""
        kind = layer.kind
        if not (isinstance(kind, Convolution) and has_dsp(layer.target) and kind.groups == 1):
            return False
        bias = _bias(layer)
        return (
            layer.operands[0].shape[0] == 1
            and layer.result.shape[3] >= 2
            and layer.result.elements // layer.result.shape[3] < LARGEST_LENGTH
            and bias is not None
            and packable(layer, _filters(layer), bias)
        )

    def scratch_bytes(self, layer: Layer) -> int:
        """The widened columns of three pixels, and results of the last block where it is not full."""
        pixels = layer.result.shape[1] * layer.result.shape[2]
        tail = 0 if pixels % PIXELS == 0 else PIXELS * layer.result.shape[3]
        return 4 * _column_words(layer) + tail

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """Blocks are read before they are written: the lead is how far writing runs ahead of later reading."""
        kind = layer.kind
        assert isinstance(kind, Convolution)  # noqa: S101 - see accepts
        reads = first_reads(layer, kind.stride, kind.padding.top, kind.padding.left)
        return {0: block_lead(layer, reads, PIXELS)}

    def replaces(self, layer: Layer) -> int | None:
        """None; see `overlaps`."""
        return None

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """A driver per shape; the block kernel is shared by all layers with the same kind of limits."""
        bias = _bias(layer)
        assert bias is not None  # noqa: S101 - see accepts
        groups = _groups(layer)
        if _by_words(layer):
            pairs = [pair for g in range(groups) for pair in ((4 * g, 4 * g + 2), (4 * g + 1, 4 * g + 3))]
        else:
            pairs = [(2 * p, 2 * p + 1) for p in range(2 * groups)]
        requantization = layer.requantization
        plain = (requantization.low, requantization.high) == (-128, 127)
        text = (
            _DRIVER.replace("$FILL", self._fill(layer))
            .replace("$NEXT", _NEXT)
            .replace("$LIMITS", "-128, 127" if plain else "LOW, HIGH")
        )
        stream = weight_stream(layer, _filters(layer), bias, pairs)
        text, words = driver(text, self._shape(layer), self._sharers(layer), stream)
        text = fill(text, WIDEN=program.function("widen", _WIDEN) if _by_words(layer) else "")
        constants = program.constant(words, alignment=4)
        block = block_function(program, requantization)
        function = program.function("convolution", text)
        return f"{function}({places.operands[0]}, {places.result}, (uint32_t *){places.scratch}, {constants}, {block});"

    def _fill(self, layer: Layer) -> str:
        kind = layer.kind
        assert isinstance(kind, Convolution)  # noqa: S101 - see accepts
        if _is_pointwise(layer):
            return _POINTWISE if kind.stride == (1, 1) else _POINTWISE_STRIDED
        return _WINDOW.replace("$GATHER", _BY_WORDS if _by_words(layer) else _BY_BYTES)

    def _sharers(self, layer: Layer) -> list[dict[str, int]]:
        """The shapes of the layers whose columns are filled by the same text."""
        return [self._shape(other) for other in peers(layer) if self._fill(other) == self._fill(layer)]

    def _shape(self, layer: Layer) -> dict[str, int]:
        kind = layer.kind
        assert isinstance(kind, Convolution)  # noqa: S101 - see accepts
        image, weights = layer.operands[0], layer.operands[1]
        requantization = layer.requantization
        channels = layer.result.shape[3]
        return {
            "OUT_PIXELS": layer.result.shape[1] * layer.result.shape[2],
            "OUT_WIDTH": layer.result.shape[2],
            "OUT_CHANNELS": channels,
            "GROUPS": _groups(layer),
            "ROUNDING": rounding_term(requantization),
            "LOW": requantization.low,
            "HIGH": requantization.high,
            "IN_HEIGHT": image.shape[1],
            "IN_WIDTH": image.shape[2],
            "IN_CHANNELS": image.shape[3],
            "WINDOW_HEIGHT": weights.shape[1],
            "WINDOW_WIDTH": weights.shape[2],
            "STRIDE_Y": kind.stride[0],
            "STRIDE_X": kind.stride[1],
            "TOP": kind.padding.top,
            "LEFT": kind.padding.left,
            "DILATION_Y": kind.dilation[0],
            "DILATION_X": kind.dilation[1],
            "ZERO": zero_point_of(image),
        }


KERNELS: tuple[Kernel, ...] = (BlockConvolution(),)
