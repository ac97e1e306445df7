"""Removes channels from a float graph: filters, biases and the weights that read them leave it for good."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.ir import Array, Graph, Operation, Tensor, kinds, verify
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.shrink.channels import ChannelGroup, Channels

Mask = NDArray[numpy.bool_]
# The axis of a layer's weights that counts the channels it reads.
_READ_AXIS = {kinds.Convolution: 3, kinds.FullyConnected: 1, kinds.TransposeConvolution: 3}


def importance(graph: Graph, group: ChannelGroup) -> Array:
    """How much each channel of a group carries: the norm of the filters that write it times that of what reads it."""
    written = numpy.zeros(group.channels)
    for operation in group.writers:
        _, weights, bias = graph.operands(operation)
        axis = kinds.OUTPUT_AXIS[type(operation.kind)]
        others = tuple(index for index in range(weights.values.ndim) if index != axis)
        squares = numpy.square(weights.values.astype(numpy.float64)).sum(axis=others)
        written += squares + numpy.square(bias.values.astype(numpy.float64))
    read = numpy.zeros(group.channels)
    for operation in group.readers:
        weights = graph.operands(operation)[1]
        axis = _READ_AXIS[type(operation.kind)]
        others = tuple(index for index in range(weights.values.ndim) if index != axis)
        read += numpy.square(weights.values.astype(numpy.float64)).sum(axis=others).reshape(-1, group.channels).sum(0)
    product: Array = numpy.sqrt(written * read)
    return product


def most_important(graph: Graph, group: ChannelGroup, count: int) -> Mask:
    """The channels to keep when so many stay; among equals the first."""
    order = numpy.argsort(-importance(graph, group), kind="stable")
    mask = numpy.zeros(group.channels, bool)
    mask[order[: max(1, count)]] = True
    return mask


def without_channels(graph: Graph, channels: Channels, keep: Mapping[str, Mask]) -> Graph:
    """The graph in which groups keep only some of their channels."""
    pruning = _Pruning(graph, channels, keep)
    pruned = pruning.run()
    verify(pruned, after="pruning")
    return pruned


@dataclass(slots=True)
class _Pruning:
    """Rebuilds tensors and constants with fewer channels."""

    graph: Graph
    channels: Channels
    keep: Mapping[str, Mask]

    def run(self) -> Graph:
        """The smaller graph."""
        tensors = dict(self.graph.tensors)
        operations = []
        for operation in self.graph.operations:
            tensors[operation.output] = self._narrowed(self.graph.result(operation))
            inputs = list(operation.inputs)
            for place, constant in self._constants(operation).items():
                tensors[constant.name] = constant
                inputs[place] = constant.name
            operations.append(replace(operation, kind=self._kind(operation), inputs=tuple(inputs)))
        return replace(self.graph, tensors=tensors, operations=tuple(operations))

    def _mask(self, name: str) -> Mask | None:
        """The channels of a tensor that stay, along its whole last axis; None when all do."""
        group, repeats = self.channels.places.get(name, ("", 1))
        return numpy.tile(self.keep[group], repeats) if group in self.keep else None

    def _narrowed(self, tensor: Tensor) -> Tensor:
        mask = self._mask(tensor.name)
        return tensor if mask is None else replace(tensor, shape=(*tensor.shape[:-1], int(mask.sum())))

    def _kind(self, operation: Operation) -> kinds.Kind:
        if isinstance(operation.kind, kinds.Reshape):
            return kinds.Reshape(self._narrowed(self.graph.result(operation)).shape)
        return operation.kind

    def _constants(self, operation: Operation) -> dict[int, Tensor]:
        """The constants that change, by the place of the operand."""
        read, written = self._mask(operation.inputs[0]), self._mask(operation.output)
        if read is None and written is None:
            return {}
        operands = self.graph.operands(operation)
        if type(operation.kind) in kinds.OUTPUT_AXIS:
            weights = operands[1].values
            axis = kinds.OUTPUT_AXIS[type(operation.kind)]
            weights = weights if written is None else numpy.compress(written, weights, axis=axis)
            if read is not None and type(operation.kind) in _READ_AXIS:
                weights = numpy.compress(read, weights, axis=_READ_AXIS[type(operation.kind)])
            bias = operands[2].values if written is None else operands[2].values[written]
            return {1: _named(operation, 1, weights), 2: _named(operation, 2, bias)}
        return {
            place: _named(operation, place, operand.values[..., written])
            for place, operand in enumerate(operands)
            if operand.is_constant and operand.elements > 1 and written is not None
        }


def _named(operation: Operation, place: int, values: Array) -> Tensor:
    return constant_tensor(f"{operation.output}/kept {place}", values)
