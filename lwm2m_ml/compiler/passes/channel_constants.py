"""Forward half of dead-channel elimination: which channels of an int8 graph have the same values for every input.

A filter of zeros gives a constant channel; what is computed from constant channels only is constant too, though padding
can make it a map (other values at the border than inside). The values come from the integer interpreter itself.
"""

from collections.abc import Callable, Mapping

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.interpreter import compute
from lwm2m_ml.compiler.ir import Array, Graph, Operation, kinds
from lwm2m_ml.compiler.reference.requantization import zero_point_of

Mask = NDArray[numpy.bool_]

# Operations whose result channel c depends on operand channel c alone.
CHANNELWISE = (kinds.AveragePool, kinds.MaxPool, kinds.Unary, kinds.Requantize)


class ChannelConstants:
    """For every tensor: which channels (last axis) are constant, and the values of those."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[str, Mask] = {}
        self._values: dict[str, Array] = {}
        for operation in graph.operations:
            self._visit(operation)

    def known(self, name: str) -> Mask:
        """True for the channels of a tensor that are constant."""
        channels = self._graph.tensor(name).shape[-1]
        return self._known.get(name, numpy.zeros(channels, bool))

    def uniform(self, name: str) -> Mapping[int, int]:
        """The code of each constant channel that has one value at all positions."""
        if name not in self._values:
            return {}
        planes = self._values[name].reshape(-1, self._values[name].shape[-1])
        same = (planes == planes[0]).all(axis=0) & self.known(name)
        return {int(channel): int(planes[0, channel]) for channel in numpy.flatnonzero(same)}

    def _visit(self, operation: Operation) -> None:
        rule = _RULES.get(type(operation.kind))
        known = rule(self, operation) if rule is not None else None
        if known is None or not known.any():
            return
        operands = [self._operand(name) for name in operation.inputs]
        (values,) = compute(self._graph, operation, operands)
        self._known[operation.output], self._values[operation.output] = known, values

    def _operand(self, name: str) -> Array:
        """Known values; where a channel is not constant anything will do, for its weights are zero."""
        tensor = self._graph.tensor(name)
        if tensor.is_constant:
            return tensor.values[None]
        return self._values.get(name, numpy.full(tensor.shape, zero_point_of(tensor), numpy.int8))[None]

    def layer(self, operation: Operation) -> Mask | None:
        """A filter is constant when every weight on a channel that is not constant is zero."""
        kind = operation.kind
        if isinstance(kind, kinds.Convolution) and kind.groups != 1:
            return None
        weights = self._graph.tensor(operation.inputs[1])
        if not weights.is_constant:
            return None
        filters = weights.values.reshape(weights.shape[0], -1, weights.shape[-1])
        used = (filters != 0).any(axis=1)
        constant: Mask = ~(used & ~self.known(operation.inputs[0])).any(axis=1)
        return constant

    def depthwise(self, operation: Operation) -> Mask | None:
        """A channel is constant when its operand is, or its weights are zero."""
        weights = self._graph.tensor(operation.inputs[1])
        known = self.known(operation.inputs[0])
        if not weights.is_constant or weights.shape[2] != len(known):
            return None
        constant: Mask = known | ~(weights.values != 0).any(axis=(0, 1))
        return constant

    def channelwise(self, operation: Operation) -> Mask | None:
        """What is constant stays constant."""
        return self.known(operation.inputs[0])

    def reshape(self, operation: Operation) -> Mask | None:
        """Only a reshape that keeps the channels last keeps what is known."""
        shape = self._graph.tensor(operation.inputs[0]).shape
        same = self._graph.result(operation).shape[-1] == shape[-1]
        return self.known(operation.inputs[0]) if same else None


_RULES: dict[type, Callable[[ChannelConstants, Operation], Mask | None]] = {
    kinds.Convolution: ChannelConstants.layer,
    kinds.FullyConnected: ChannelConstants.layer,
    kinds.DepthwiseConvolution: ChannelConstants.depthwise,
    kinds.Reshape: ChannelConstants.reshape,
    **dict.fromkeys(CHANNELWISE, ChannelConstants.channelwise),
}
