"""Transposed convolution: every element of the image adds its weighted window to the result."""

from typing import Any

import numpy

from lwm2m_ml.compiler.ir.kinds import TransposeConvolution
from lwm2m_ml.compiler.ir.tensor import Array


def transposed_sums(kind: TransposeConvolution, images: Array, weights: Array, dtype: Any) -> Array:
    """Sums (B, OH, OW, O) of images (B, H, W, I) and weights (O, KH, KW, I), without the bias."""
    batch, height, width, _ = images.shape
    outputs, window_height, window_width, _ = weights.shape
    padding, (step_y, step_x) = kind.padding, kind.stride
    whole_height = max((height - 1) * step_y + window_height, kind.size[0] + padding.top)
    whole_width = max((width - 1) * step_x + window_width, kind.size[1] + padding.left)
    whole = numpy.zeros((batch, whole_height, whole_width, outputs), dtype)
    for row in range(window_height):
        for column in range(window_width):
            rows = slice(row, row + (height - 1) * step_y + 1, step_y)
            columns = slice(column, column + (width - 1) * step_x + 1, step_x)
            whole[:, rows, columns] += images.astype(dtype) @ weights[:, row, column].astype(dtype).T
    cut = whole[:, padding.top : padding.top + kind.size[0], padding.left : padding.left + kind.size[1]]
    return numpy.ascontiguousarray(cut)
