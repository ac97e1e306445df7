"""Removes channels of an int8 graph that are constant or that nobody uses; every answer stays the same, bit for bit."""

from dataclasses import dataclass, replace

import numpy

from lwm2m_ml.compiler.ir import Array, DataType, Graph, Operation, Quantization, Tensor, kinds
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.passes.channel_constants import CHANNELWISE, ChannelConstants, Mask
from lwm2m_ml.compiler.reference.requantization import zero_point_of

_INT32_MAXIMUM = (1 << 31) - 1
_LAYERS = (kinds.Convolution, kinds.FullyConnected)


@dataclass(frozen=True, slots=True)
class EliminateDeadChannels:
    """Constant channels go into the biases of their readers; filters nobody reads go with their weights."""

    name: str = "dead-channel elimination"

    def apply(self, graph: Graph) -> Graph:
        """The graph with fewer channels; the same object when all are needed."""
        moving = (*graph.inputs, *(operation.output for operation in graph.operations), *graph.outputs)
        if any(graph.tensor(name).dtype is not DataType.INT8 for name in moving):
            return graph
        elimination = _Elimination(graph)
        return elimination.rebuilt() if elimination.removes_any else graph


class _Elimination:
    """Backward liveness over the channels, then the rebuilding of tensors and weights."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._constants = ChannelConstants(graph)
        self._live = {name: numpy.zeros(_channels(tensor), bool) for name, tensor in graph.tensors.items()}
        for name in (*graph.inputs, *graph.outputs):
            self._live[name][:] = True
        for operation in reversed(graph.operations):
            self._keep_one(operation.output)
            self._mark(operation)

    @property
    def removes_any(self) -> bool:
        """Whether a computed tensor loses a channel."""
        return any(not self._live[operation.output].all() for operation in self._graph.operations)

    def _keep_one(self, name: str) -> None:
        """A tensor keeps at least one channel: shapes of zero length do not exist."""
        if not self._live[name].any():
            self._live[name][0] = True

    def _mark(self, operation: Operation) -> None:
        """Mark what an operation needs of its operands, given what is needed of its result."""
        name, live = operation.inputs[0], self._live[operation.output]
        if self._is_layer(operation):
            self._live[name] |= self._needed_by_layer(operation, live)
        elif self._is_channelwise(operation):
            self._live[name] |= live
        else:
            for operand in operation.inputs:
                self._live[operand][:] = True
            self._live[operation.output][:] = True

    def _is_layer(self, operation: Operation) -> bool:
        kind = operation.kind
        return (
            isinstance(kind, _LAYERS)
            and not (isinstance(kind, kinds.Convolution) and kind.groups != 1)
            and all(operand.is_constant for operand in self._graph.operands(operation)[1:])
        )

    def _is_channelwise(self, operation: Operation) -> bool:
        kind = operation.kind
        channels = {_channels(self._graph.tensor(operation.inputs[0])), _channels(self._graph.result(operation))}
        if isinstance(kind, kinds.DepthwiseConvolution):
            return len(channels) == 1 and self._graph.tensor(operation.inputs[1]).is_constant
        return isinstance(kind, CHANNELWISE) or (isinstance(kind, kinds.Reshape) and len(channels) == 1)

    def _needed_by_layer(self, operation: Operation, live: Mask) -> Mask:
        weights = self._graph.tensor(operation.inputs[1]).values
        filters = weights.reshape(len(weights), -1, weights.shape[-1])[live]
        needed: Mask = (filters != 0).any(axis=(0, 1))
        for channel in self._absorbable(operation):
            needed[channel] = False
        return needed

    def _absorbable(self, operation: Operation) -> dict[int, int]:
        """Constant operand channels whose contribution is the same for every result: channel → code − zero point."""
        zero_point = zero_point_of(self._graph.tensor(operation.inputs[0]))
        kind = operation.kind
        padded = isinstance(kind, kinds.Convolution) and not kind.padding.is_zero
        centred = {channel: code - zero_point for channel, code in self._constants.uniform(operation.inputs[0]).items()}
        constant = {channel: code for channel, code in centred.items() if not padded or code == 0}
        # Whichever of them are removed in the end, the biases fit int32.
        fits = self._largest_bias(operation, constant) <= _INT32_MAXIMUM
        return constant if fits else {channel: 0 for channel, code in constant.items() if code == 0}

    def _largest_bias(self, operation: Operation, constant: dict[int, int]) -> int:
        """A bound of the biases that any of the constant channels could lead to."""
        _, weights, bias = self._graph.operands(operation)
        sizes = numpy.abs(weights.values.astype(numpy.int64)).reshape(weights.shape[0], -1, weights.shape[-1])
        total = numpy.abs(bias.values.astype(numpy.int64))
        total = total + sizes.sum(axis=1) @ numpy.abs(_codes(weights, constant))
        return int(total.max(initial=0))

    def _bias(self, operation: Operation, removed: Mask) -> Array:
        """The biases with the contributions of the constant channels that are removed."""
        _, weights, bias = self._graph.operands(operation)
        sums = weights.values.reshape(weights.shape[0], -1, weights.shape[-1]).sum(axis=1, dtype=numpy.int64)
        codes = numpy.where(removed, _codes(weights, self._absorbable(operation)), 0)
        total: Array = bias.values.astype(numpy.int64) + sums @ codes
        return total

    def rebuilt(self) -> Graph:
        """The graph with the live channels only."""
        graph = self._graph
        computed = {operation.output for operation in graph.operations}
        changed = {name: _narrowed(graph.tensor(name), self._live[name]) for name in computed}
        operations = []
        for operation in graph.operations:
            operation, constants = self._rebuilt(operation)  # noqa: PLW2901
            operations.append(operation)
            changed |= {tensor.name: tensor for tensor in constants}
        return replace(graph, tensors={**graph.tensors, **changed}, operations=tuple(operations))

    def _rebuilt(self, operation: Operation) -> tuple[Operation, list[Tensor]]:
        live_in, live_out = self._live[operation.inputs[0]], self._live[operation.output]
        if isinstance(operation.kind, kinds.Reshape):
            shape = (*operation.kind.shape[:-1], int(live_out.sum()))
            return replace(operation, kind=kinds.Reshape(shape)), []
        if self._is_layer(operation):
            weights, bias = self._graph.operands(operation)[1:]
            biases = self._bias(operation, ~live_in).astype(numpy.int32)[live_out]
            values = weights.values[live_out][..., live_in]
            return _with_constants(operation, (weights, bias), (values, biases), live_out)
        if isinstance(operation.kind, kinds.DepthwiseConvolution) and self._is_channelwise(operation):
            weights, bias = self._graph.operands(operation)[1:]
            values = weights.values[..., live_out]
            return _with_constants(operation, (weights, bias), (values, bias.values[live_out]), live_out)
        return operation, []


def _codes(weights: Tensor, constant: dict[int, int]) -> Array:
    codes = numpy.zeros(weights.shape[-1], numpy.int64)
    for channel, code in constant.items():
        codes[channel] = code
    return codes


def _channels(tensor: Tensor) -> int:
    return tensor.shape[-1] if tensor.shape else 1


def _narrowed(tensor: Tensor, live: Mask) -> Tensor:
    return replace(tensor, shape=(*tensor.shape[:-1], int(live.sum())))


def _with_constants(
    operation: Operation, old: tuple[Tensor, Tensor], new: tuple[Array, Array], live: Mask
) -> tuple[Operation, list[Tensor]]:
    """The operation with its own weights and bias, quantised as those channels were."""
    names = (f"{operation.output}/live weights", f"{operation.output}/live bias")
    constants = [
        constant_tensor(name, values, _sliced(tensor.quantization, live))
        for name, values, tensor in zip(names, new, old, strict=True)
    ]
    return replace(operation, inputs=(operation.inputs[0], *names)), constants


def _sliced(quantization: Quantization | None, live: Mask) -> Quantization | None:
    if quantization is None or quantization.axis is None:
        return quantization
    scales = tuple(numpy.array(quantization.scales)[live].tolist())
    return Quantization(scales, (0,) * len(scales), quantization.axis)
