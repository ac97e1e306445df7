"""Cross-layer equalisation: channels between two layers are scaled so that both layers use their codes alike.

Nagel, van Baalen, Blankevoort, Welling: Data-Free Quantization Through Weight Equalization and Bias Correction
(ICCV 2019), section 4.1. It matters where one filter's channels differ by orders of magnitude, as in depthwise nets.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.ir import Array, Graph, Operation, Tensor, kinds
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.ir.kinds import Activation

_LAYERS = (kinds.Convolution, kinds.DepthwiseConvolution, kinds.FullyConnected)
# Between two layers only what keeps positive factors: f(s·x) = s·f(x).
_HOMOGENEOUS = (Activation.NONE, Activation.RELU)
_ROUNDS = 20
_ENOUGH = 1e-3
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class EqualizeLayers:
    """Scales the weights of pairs of layers, again and again until little changes; what is computed stays the same."""

    name: str = "cross-layer equalisation"

    def apply(self, graph: Graph) -> Graph:
        """The graph with other weights; the same object when there are no two layers in a row."""
        pairs = tuple(_pairs(graph))
        if not pairs:
            return graph
        for _ in range(_ROUNDS):
            largest = 0.0
            for first, second in pairs:
                graph, change = _equalized(graph, first, second)
                largest = max(largest, change)
            if largest < _ENOUGH:
                break
        return graph


def _pairs(graph: Graph) -> Iterator[tuple[Operation, Operation]]:
    """Layers whose result only one other layer reads, each with constants that nobody shares."""
    readers = graph.consumers()
    for first in graph.operations:
        if not _is_own_layer(graph, first) or first.output in graph.outputs:
            continue
        after = readers[first.output]
        if len(after) == 1 and after[0].inputs[0] == first.output and _is_own_layer(graph, after[0]):
            yield first, after[0]


def _is_own_layer(graph: Graph, operation: Operation) -> bool:
    kind = operation.kind
    if not isinstance(kind, _LAYERS) or kind.activation not in _HOMOGENEOUS:
        return False
    if isinstance(kind, kinds.Convolution) and kind.groups != 1:
        return False
    constants = graph.operands(operation)[1:]
    shared = any(len(graph.consumers()[constant.name]) != 1 for constant in constants)
    return all(constant.is_constant and constant.quantization is None for constant in constants) and not shared


def _equalized(graph: Graph, first: Operation, second: Operation) -> tuple[Graph, float]:
    """The graph with the channels between two layers scaled, and by how much at most (as a share)."""
    weights, bias = graph.operands(first)[1:]
    after = graph.operands(second)[1]
    axis = kinds.OUTPUT_AXIS[type(first.kind)]
    multiplicity = _multiplicity(graph, second)
    written = _largest(weights.values, axis)
    read = _input_largest(second, after.values, multiplicity)
    factors = numpy.sqrt(written * read) / numpy.maximum(read, _SMALLEST)
    # Channels that are nowhere used, or without weights, stay as they are.
    factors = numpy.where((written > _SMALLEST) & (read > _SMALLEST), factors, 1.0)
    changed = [
        _scaled(weights, 1 / factors, axis),
        _scaled(bias, 1 / factors, 0),
        _scaled(after, numpy.repeat(factors, multiplicity), _input_axis(second)),
    ]
    return graph.with_tensors(changed), float(numpy.abs(numpy.log(factors)).max(initial=0))


def _multiplicity(graph: Graph, operation: Operation) -> int:
    """How many output channels of a depthwise layer read the same input channel."""
    if not isinstance(operation.kind, kinds.DepthwiseConvolution):
        return 1
    return graph.result(operation).shape[-1] // graph.operands(operation)[0].shape[-1]


def _input_axis(operation: Operation) -> int:
    return {kinds.Convolution: 3, kinds.DepthwiseConvolution: 2, kinds.FullyConnected: 1}[type(operation.kind)]


def _input_largest(operation: Operation, weights: Array, multiplicity: int) -> Array:
    """The largest weight on each input channel."""
    largest = _largest(weights, _input_axis(operation))
    grouped: Array = largest.reshape(-1, multiplicity).max(axis=1)
    return grouped


def _largest(weights: Array, axis: int) -> Array:
    others = tuple(index for index in range(weights.ndim) if index != axis)
    largest: Array = numpy.abs(weights.astype(numpy.float64)).max(axis=others)
    return largest


def _scaled(tensor: Tensor, factors: Array, axis: int) -> Tensor:
    shape = [1] * tensor.values.ndim
    shape[axis] = -1
    values = (tensor.values * factors.reshape(shape)).astype(numpy.float32)
    return constant_tensor(tensor.name, values)
