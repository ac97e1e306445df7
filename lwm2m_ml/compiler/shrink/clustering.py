"""Weight clustering: every layer's weights take few values, so that modules pack well and updates are small.

Han, Mao, Dally: Deep Compression (ICLR 2016), section 3, with the weights of a channel divided by the channel's
largest, so that the codes of int8 are few as well. Clusters of an earlier version can be kept: a weight that moved less
than to the next cluster then stays the same to the bit.
"""

import numpy

from lwm2m_ml.compiler.ir import Array, Graph, Operation, kinds
from lwm2m_ml.compiler.ir.builder import constant_tensor

_ROUNDS = 50


def cluster_weights(graph: Graph, count: int, like: Graph | None = None) -> Graph:
    """The graph with so many values of weights in each layer, shared by its channels but for each one's scale.

    `like` is an earlier version that was clustered: its values are taken where the layer at the same place has weights
    of the same shape there.
    """
    known = {} if like is None else _known_centres(like, count)
    changed = []
    for place, operation in enumerate(_layers(graph)):
        weights, largest = _normalised(graph, operation)
        shared = known.get((place, weights.shape))
        found = _centres(weights.reshape(-1), count) if shared is None else shared
        values = (found[_nearest(weights, found)] * largest).astype(numpy.float32)
        changed.append(constant_tensor(operation.inputs[1], values))
    return graph.with_tensors(changed)


def _layers(graph: Graph) -> list[Operation]:
    """The layers with weights of their own, in order."""
    layers = (operation for operation in graph.operations if type(operation.kind) in kinds.OUTPUT_AXIS)
    return [operation for operation in layers if graph.operands(operation)[1].is_constant]


def _known_centres(graph: Graph, count: int) -> dict[tuple[int, tuple[int, ...]], Array]:
    """The values of each layer of a graph that was clustered, by the layer's place and shape."""
    centres = {}
    for place, operation in enumerate(_layers(graph)):
        weights, _ = _normalised(graph, operation)
        # What float32 rounded apart belongs together.
        values = numpy.unique(numpy.round(weights, 5))
        if len(values) <= count + 1:
            centres[place, weights.shape] = values
    return centres


def _normalised(graph: Graph, operation: Operation) -> tuple[Array, Array]:
    """Weights in -1…1, and the largest of each output channel that they were divided by."""
    weights = graph.operands(operation)[1].values.astype(numpy.float64)
    axis = kinds.OUTPUT_AXIS[type(operation.kind)]
    others = tuple(index for index in range(weights.ndim) if index != axis)
    largest = numpy.maximum(numpy.abs(weights).max(axis=others, keepdims=True), 1e-12)
    return weights / largest, largest


def _centres(values: Array, count: int) -> Array:
    """The means of Lloyd's algorithm in one dimension, begun evenly over the range; both ends and zero are kept."""
    centres = numpy.linspace(-1, 1, count + 1 - count % 2)
    fixed = numpy.isin(centres, (-1.0, 0.0, 1.0))
    for _ in range(_ROUNDS):
        nearest = _nearest(values, centres)
        sizes = numpy.bincount(nearest, minlength=len(centres))
        sums = numpy.bincount(nearest, values, minlength=len(centres))
        means = numpy.where(sizes > 0, sums / numpy.maximum(sizes, 1), centres)
        moved = numpy.where(fixed, centres, means)
        if numpy.allclose(moved, centres, atol=1e-7):
            break
        centres = moved
    return centres


def _nearest(values: Array, centres: Array) -> Array:
    """The place of the nearest of sorted centres."""
    borders = (centres[1:] + centres[:-1]) / 2
    places: Array = numpy.searchsorted(borders, values)
    return places
