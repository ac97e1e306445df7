"""Views of padded images as sliding windows, shared by convolutions and pools."""

import numpy
from numpy.lib.stride_tricks import as_strided

from lwm2m_ml.compiler.ir.kinds import Padding
from lwm2m_ml.compiler.ir.shapes import window_output
from lwm2m_ml.compiler.ir.tensor import Array

# Overlapping windows take their area times the image when they are copied.
_PORTION_ELEMENTS = 1 << 23


def as_images(values: Array) -> Array:
    """Samples and batch as one axis: (samples, N, H, W, C) → (samples·N, H, W, C)."""
    return values.reshape(-1, *values.shape[2:])


def as_samples(images: Array, batch: int) -> Array:
    """The inverse of `as_images`."""
    return images.reshape(-1, batch, *images.shape[1:])


def pad_images(images: Array, padding: Padding, value: float) -> Array:
    """Images (B, H, W, C) with rows and columns of one value around."""
    if padding.is_zero:
        return images
    around = ((0, 0), (padding.top, padding.bottom), (padding.left, padding.right), (0, 0))
    return numpy.pad(images, around, constant_values=value)


def portions(windows: Array) -> list[slice]:
    """Ranges of rows of windows (B, OH, …) small enough that a copy of each fits comfortably into memory."""
    per_row = windows.size // windows.shape[1]
    rows = max(1, _PORTION_ELEMENTS // max(1, per_row))
    return [slice(start, start + rows) for start in range(0, windows.shape[1], rows)]


def sliding_windows(
    images: Array, window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> Array:
    """A view (B, OH, OW, KH, KW, C) of padded images (B, H, W, C)."""
    batch, height, width, channels = images.shape
    rows = window_output(height, window[0], stride[0], 0, 0, dilation=dilation[0])
    columns = window_output(width, window[1], stride[1], 0, 0, dilation=dilation[1])
    by_batch, by_row, by_column, by_channel = images.strides
    view: Array = as_strided(
        images,
        (batch, rows, columns, *window, channels),
        (
            by_batch,
            by_row * stride[0],
            by_column * stride[1],
            by_row * dilation[0],
            by_column * dilation[1],
            by_channel,
        ),
        writeable=False,
    )
    return view
