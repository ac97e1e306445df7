"""Fuses the addition of a constant per channel into the bias of the layer before it."""

from dataclasses import dataclass, replace

import numpy

from lwm2m_ml.compiler.ir import Graph, Operation, Tensor, kinds
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.ir.kinds import Activation, BinaryFunction

LAYERS = (kinds.Convolution, kinds.DepthwiseConvolution, kinds.TransposeConvolution, kinds.FullyConnected)


@dataclass(frozen=True, slots=True)
class FuseBias:
    """Matrix product, then addition → fully connected layer with a bias; the result in between disappears."""

    name: str = "bias fusion"

    def apply(self, graph: Graph) -> Graph:
        """The graph with every such addition fused."""
        for operation in graph.operations:
            layer = graph.producers().get(operation.inputs[0])
            constant = graph.tensor(operation.inputs[-1])
            if layer is not None and _fusible(graph, layer, operation, constant):
                graph = _fuse(graph, layer, operation, constant)
        return graph


def _fusible(graph: Graph, layer: Operation, operation: Operation, constant: Tensor) -> bool:
    """Only float graphs: integers would be rounded in another place."""
    kind = operation.kind
    return (
        isinstance(kind, kinds.Binary)
        and kind.function is BinaryFunction.ADD
        and isinstance(layer.kind, LAYERS)
        and layer.kind.activation is Activation.NONE
        and graph.result(layer).quantization is None
        and graph.tensor(layer.inputs[2]).is_constant
        and constant.is_constant
        and constant.elements in (1, constant.shape[-1] if constant.shape else 1)
        and graph.result(layer).shape == graph.result(operation).shape
        and len(graph.consumers()[layer.output]) == 1
        and layer.output not in graph.outputs
    )


def _fuse(graph: Graph, layer: Operation, operation: Operation, constant: Tensor) -> Graph:
    assert isinstance(operation.kind, kinds.Binary)  # noqa: S101 - see _fusible
    assert isinstance(layer.kind, LAYERS)  # noqa: S101 - see _fusible
    bias = graph.tensor(layer.inputs[2])
    name = f"{operation.output}/bias with constant"
    total = constant_tensor(name, (bias.values + constant.values.reshape(-1)).astype(numpy.float32))
    kind = replace(layer.kind, activation=operation.kind.activation)
    fused = replace(layer, kind=kind, inputs=(*layer.inputs[:2], name), output=operation.output)
    operations = [fused if other is layer else other for other in graph.operations if other is not operation]
    return graph.with_tensors([total]).with_operations(operations)
