"""Resizing of images: the positions and weights of TensorFlow Lite's bilinear interpolation, real and in 1/1024."""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.ir.kinds import ResizeBilinear, ResizeNearest
from lwm2m_ml.compiler.ir.tensor import Array

ONE = 1 << 10


@dataclass(frozen=True, slots=True)
class Interpolation:
    """For every position of an axis of the result the two elements between which it lies, and the second's weight."""

    lower: tuple[int, ...]
    upper: tuple[int, ...]
    weights: tuple[float, ...]


def nearest(kind: ResizeNearest, images: Array) -> Array:
    """Chosen rows and columns of images (B, H, W, C)."""
    chosen: Array = images[:, list(kind.rows)][:, :, list(kind.columns)]
    return chosen


def integer_interpolation(kind: ResizeBilinear, axis: int, length: int) -> Interpolation:
    """Weights in 1/1024, as ComputeInterpolationValuesInteger in resize_bilinear.h."""
    size = kind.size[axis]
    if kind.align_corners and size > 1:
        scale = (ONE * (length - 1) + (size - 1) // 2) // (size - 1)
    else:
        scale = (ONE * length + size // 2) // size
    lower, upper, weights = [], [], []
    for position in range(size):
        value = position * scale + (scale // 2 - ONE // 2 if kind.half_pixel_centers else 0)
        low = max(int(value / ONE), 0)
        lower.append(low)
        upper.append(min(int((value + ONE - 1) / ONE), length - 1))
        weights.append(value - ONE * low)
    return Interpolation(tuple(lower), tuple(upper), tuple(weights))


def float_interpolation(kind: ResizeBilinear, axis: int, length: int) -> Interpolation:
    """Real weights, as ComputeInterpolationValues in resize_bilinear.h."""
    size = kind.size[axis]
    scale = numpy.float32(length) / numpy.float32(size)
    if kind.align_corners and size > 1:
        scale = numpy.float32(length - 1) / numpy.float32(size - 1)
    lower, upper, weights = [], [], []
    for position in range(size):
        value = numpy.float32(position) * scale
        if kind.half_pixel_centers:
            value = (numpy.float32(position) + numpy.float32(0.5)) * scale - numpy.float32(0.5)
        low = max(int(numpy.floor(value)), 0)
        lower.append(min(low, length - 1))
        upper.append(max(0, min(int(numpy.ceil(value)), length - 1)))
        weights.append(float(value - numpy.float32(low)))
    return Interpolation(tuple(lower), tuple(upper), tuple(weights))


def _corners(images: Array, rows: Interpolation, columns: Interpolation) -> tuple[Array, Array, Array, Array]:
    upper, lower = images[:, list(rows.lower)], images[:, list(rows.upper)]
    left, right = list(columns.lower), list(columns.upper)
    return upper[:, :, left], upper[:, :, right], lower[:, :, left], lower[:, :, right]


def bilinear(kind: ResizeBilinear, images: Array) -> Array:
    """Interpolated float images (B, H, W, C)."""
    rows, columns = (float_interpolation(kind, axis, images.shape[axis + 1]) for axis in (0, 1))
    down = numpy.array(rows.weights, numpy.float32)[:, None, None]
    across = numpy.array(columns.weights, numpy.float32)[:, None]
    one, two, three, four = _corners(images, rows, columns)
    result: Array = (
        one * (1 - down) * (1 - across) + three * down * (1 - across) + two * (1 - down) * across + four * down * across
    )
    return result


def bilinear_integer(kind: ResizeBilinear, images: Array) -> Array:
    """Interpolated int8 images (B, H, W, C), as ResizeBilinearInteger."""
    rows, columns = (integer_interpolation(kind, axis, images.shape[axis + 1]) for axis in (0, 1))
    down = numpy.array(rows.weights, numpy.int64)[:, None, None]
    across = numpy.array(columns.weights, numpy.int64)[:, None]
    one, two, three, four = _corners(images.astype(numpy.int64), rows, columns)
    sums = (
        one * (ONE - down) * (ONE - across)
        + three * down * (ONE - across)
        + two * (ONE - down) * across
        + four * down * across
    )
    rounded = sums + numpy.where(sums > 0, 1 << 19, -(1 << 19))
    codes: Array = (numpy.sign(rounded) * (numpy.abs(rounded) >> 20)).astype(numpy.int8)
    return codes
