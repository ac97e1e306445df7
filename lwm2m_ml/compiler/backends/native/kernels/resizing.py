"""Resizing of images in plain C; positions and weights are tables."""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import ResizeBilinear, ResizeNearest
from lwm2m_ml.compiler.reference.resizing import Interpolation, float_interpolation, integer_interpolation

_NEAREST = """
static void @NAME@(const $TYPE *input, $TYPE *output, const int16_t *rows, const int16_t *columns)
{
  for (int32_t image = 0; image < $IMAGES; ++image, input += $IMAGE_ELEMENTS)
  for (int32_t y = 0; y < $HEIGHT; ++y)
  for (int32_t x = 0; x < $WIDTH; ++x) {
    const $TYPE *pixel = input + (rows[y] * $IN_WIDTH + columns[x]) * $CHANNELS;
    for (int32_t i = 0; i < $CHANNELS; ++i) *output++ = pixel[i];
  }
}
"""
_BILINEAR = """
static void @NAME@(const $TYPE *input, $TYPE *output, const int16_t *places, const $WEIGHT *weights)
{
  for (int32_t image = 0; image < $IMAGES; ++image, input += $IMAGE_ELEMENTS)
  for (int32_t y = 0; y < $HEIGHT; ++y)
  for (int32_t x = 0; x < $WIDTH; ++x) {
    const int16_t *columns = places + 2 * $HEIGHT;
    const $TYPE *upper = input + places[y] * $IN_WIDTH * $CHANNELS;
    const $TYPE *lower = input + places[$HEIGHT + y] * $IN_WIDTH * $CHANNELS;
    int32_t left = columns[x] * $CHANNELS, right = columns[$WIDTH + x] * $CHANNELS;
    $WEIGHT down = weights[y], across = weights[$HEIGHT + x];
    for (int32_t i = 0; i < $CHANNELS; ++i) {
      $SUM first = upper[left + i] * ($ONE - down), second = upper[right + i] * ($ONE - down);
      first += lower[left + i] * down, second += lower[right + i] * down;
      $SUM sum = first * ($ONE - across) + second * across;
      *output++ = $VALUE;
    }
  }
}
"""
# Weights are tenth-bit fractions: a sum of four products of two of them and a code stays within 29 bits.
_ROUNDED = "(int8_t)((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20))"


def c_type(layer: Layer) -> str:
    """The C type that holds an element, for kernels that only move elements."""
    return {1: "int8_t", 2: "int16_t", 4: "int32_t"}[layer.result.dtype.bytes]


def _sizes(layer: Layer) -> dict[str, int]:
    image = layer.operands[0]
    return {
        "IMAGES": image.shape[0],
        "IMAGE_ELEMENTS": image.elements // image.shape[0],
        "HEIGHT": layer.result.shape[1],
        "WIDTH": layer.result.shape[2],
        "IN_WIDTH": image.shape[2],
        "CHANNELS": image.shape[3],
    }


@dataclass(frozen=True, slots=True)
class ResizeByTables(Portable):
    """Nearest neighbours; the same for every element type."""

    name: str = "resize nearest, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every nearest-neighbour resize."""
        return isinstance(layer.kind, ResizeNearest)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        kind = layer.kind
        assert isinstance(kind, ResizeNearest)  # noqa: S101 - see accepts
        function = program.function("resize", fill(_NEAREST, TYPE=c_type(layer), **_sizes(layer)))
        tables = ", ".join(program.constant(numpy.array(table, numpy.int16)) for table in (kind.rows, kind.columns))
        return f"{function}((const void *){places.operands[0]}, (void *){places.result}, {tables});"


@dataclass(frozen=True, slots=True)
class Interpolate(Portable):
    """Bilinear interpolation, in 1/1024 for int8 and in float32."""

    name: str = "resize bilinear, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every bilinear resize."""
        return isinstance(layer.kind, ResizeBilinear)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        integer = layer.result.dtype.bytes == 1
        rows, columns = _interpolations(layer, integer=integer)
        types = {"TYPE": "int8_t", "SUM": "int32_t", "WEIGHT": "int16_t", "ONE": "1024", "VALUE": _ROUNDED}
        if not integer:
            types = {"TYPE": "float", "SUM": "float", "WEIGHT": "float", "ONE": "1.0f", "VALUE": "sum"}
        text = fill(_BILINEAR, **types, **_sizes(layer))
        indices = [*rows.lower, *rows.upper, *columns.lower, *columns.upper]
        weights = numpy.array([*rows.weights, *columns.weights], numpy.int16 if integer else numpy.float32)
        tables = f"{program.constant(numpy.array(indices, numpy.int16))}, {program.constant(weights)}"
        function = program.function("interpolate", text)
        return f"{function}((const void *){places.operands[0]}, (void *){places.result}, {tables});"


def _interpolations(layer: Layer, *, integer: bool) -> tuple[Interpolation, Interpolation]:
    kind = layer.kind
    assert isinstance(kind, ResizeBilinear)  # noqa: S101 - see accepts
    interpolation = integer_interpolation if integer else float_interpolation
    lengths = layer.operands[0].shape[1:3]
    return interpolation(kind, 0, lengths[0]), interpolation(kind, 1, lengths[1])


KERNELS: tuple[Kernel, ...] = (ResizeByTables(), Interpolate())
