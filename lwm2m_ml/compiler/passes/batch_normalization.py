"""Folds batch normalisation into the layer before it, or makes it a layer of its own kind."""

from dataclasses import dataclass, replace

import numpy

from lwm2m_ml.compiler.ir import Array, Graph, Operation, Tensor, kinds
from lwm2m_ml.compiler.ir.builder import constant_tensor


@dataclass(frozen=True, slots=True)
class FoldBatchNormalization:
    """y = x · factor + offset: into weights and bias where a layer precedes, else a 1×1 depthwise convolution."""

    name: str = "batch normalisation folding"

    def apply(self, graph: Graph) -> Graph:
        """The graph without batch normalisation of images; the one for other ranks becomes multiply and add."""
        for operation in graph.operations:
            if isinstance(operation.kind, kinds.BatchNormalization):
                graph = _fold(graph, operation)
        return graph


def _fold(graph: Graph, operation: Operation) -> Graph:
    factor, offset = _affine(graph, operation)
    producer = graph.producers().get(operation.inputs[0])
    if producer is not None and _absorbs(graph, producer):
        return _into_layer(graph, producer, operation, factor, offset)
    return _into_own_layer(graph, operation, factor, offset)


def _affine(graph: Graph, operation: Operation) -> tuple[Array, Array]:
    """Factor and offset per channel, in float64."""
    kind = operation.kind
    assert isinstance(kind, kinds.BatchNormalization)  # noqa: S101 - callers dispatch on the kind
    scale, offset, mean, variance = (tensor.values.astype(numpy.float64) for tensor in graph.operands(operation)[1:])
    factor = scale / numpy.sqrt(variance + kind.epsilon)
    return factor, offset - mean * factor


def _absorbs(graph: Graph, producer: Operation) -> bool:
    """Whether the layer is linear, with constant weights, and nobody else sees its result."""
    kind = producer.kind
    return (
        isinstance(
            kind,
            kinds.Convolution | kinds.DepthwiseConvolution | kinds.TransposeConvolution | kinds.FullyConnected,
        )
        and kind.activation is kinds.Activation.NONE
        and all(operand.is_constant for operand in graph.operands(producer)[1:])
        and len(graph.consumers()[producer.output]) == 1
        and producer.output not in graph.outputs
    )


def _into_layer(graph: Graph, producer: Operation, operation: Operation, factor: Array, offset: Array) -> Graph:
    _, weights, bias = graph.operands(producer)
    shape = [1] * len(weights.shape)
    shape[kinds.OUTPUT_AXIS[type(producer.kind)]] = -1
    changed = [
        _float_constant(graph, f"{weights.name}.folded", weights.values * factor.reshape(shape)),
        _float_constant(graph, f"{bias.name}.folded", bias.values * factor + offset),
    ]
    merged = replace(
        producer, inputs=(producer.inputs[0], *(tensor.name for tensor in changed)), output=operation.output
    )
    operations = [merged if other is producer else other for other in graph.operations if other is not operation]
    return graph.with_tensors(changed).with_operations(operations)


def _into_own_layer(graph: Graph, operation: Operation, factor: Array, offset: Array) -> Graph:
    name = operation.output
    if len(graph.result(operation).shape) == 4:
        factor_tensor = _float_constant(graph, f"{name}.factor", factor.reshape(1, 1, -1))
        offset_tensor = _float_constant(graph, f"{name}.offset", offset)
        layer = replace(
            operation,
            kind=kinds.DepthwiseConvolution(),
            inputs=(operation.inputs[0], factor_tensor.name, offset_tensor.name),
        )
        return _replaced(graph.with_tensors([factor_tensor, offset_tensor]), operation, [layer])
    factor_tensor = _float_constant(graph, f"{name}.factor", factor)
    offset_tensor = _float_constant(graph, f"{name}.offset", offset)
    scaled = replace(graph.tensor(name), name=f"{name}.scaled")
    product = kinds.Binary(kinds.BinaryFunction.MULTIPLY)
    multiply = Operation(operation.name, product, (operation.inputs[0], factor_tensor.name), scaled.name)
    add = Operation(operation.name, kinds.Binary(kinds.BinaryFunction.ADD), (scaled.name, offset_tensor.name), name)
    return _replaced(graph.with_tensors([factor_tensor, offset_tensor, scaled]), operation, [multiply, add])


def _replaced(graph: Graph, old: Operation, new: list[Operation]) -> Graph:
    operations: list[Operation] = []
    for operation in graph.operations:
        operations.extend(new if operation is old else [operation])
    return graph.with_operations(operations)


def _float_constant(graph: Graph, wish: str, values: Array) -> Tensor:
    name = wish
    while name in graph.tensors:
        name += "'"
    return constant_tensor(name, values.astype(numpy.float32))
