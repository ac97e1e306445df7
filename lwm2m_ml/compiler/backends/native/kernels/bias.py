"""Folding the zero point of a layer's operand into its biases."""

import numpy

from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.requantization import zero_point_of

LARGEST_BIAS = (1 << 31) - 1


def folded_bias(layer: Layer, sums_of_weights: Array) -> Array | None:
    """Give bias − zero point × Σ weights, so that a kernel may use the operand as it is; None beyond int32.

    Only for layers in which every result sums over all weights, or whose padding holds the zero point.
    """
    zero_point = zero_point_of(layer.operands[0])
    folded = layer.operands[2].values.astype(numpy.int64) - zero_point * sums_of_weights.astype(numpy.int64)
    if numpy.abs(folded).max(initial=0) > LARGEST_BIAS:
        return None
    return folded.astype(numpy.int32)
