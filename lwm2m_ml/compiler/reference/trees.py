"""What an ensemble of decision trees computes."""

from collections.abc import Sequence

import numpy

from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.ir.trees import TreeEnsemble


def tree_ensemble(_kind: TreeEnsemble, operands: Sequence[Array]) -> Array:
    """The sums of leaves, added tree after tree in float32; axis 0 counts samples, axis 1 the model's own batch."""
    samples = operands[0].reshape(-1, operands[0].shape[-1])
    nodes, thresholds, roots, leaves, bias = (operand[0] for operand in operands[1:])
    total = numpy.broadcast_to(bias, (len(samples), len(bias))).copy()
    rows = numpy.arange(len(samples))
    for root in roots:
        places = numpy.full(len(samples), root)
        while (places >= 0).any():
            inner = numpy.maximum(places, 0)
            above = ~(samples[rows, nodes[inner, 0]] <= thresholds[inner])
            places = numpy.where(places >= 0, nodes[inner, 1 + above.astype(numpy.int64)], places)
        total += leaves[-1 - places]
    return total.reshape(*operands[0].shape[:-1], len(bias))
