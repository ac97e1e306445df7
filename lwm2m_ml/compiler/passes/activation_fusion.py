"""Fuses rectifiers into the operation before them."""

from dataclasses import dataclass, replace

from lwm2m_ml.compiler.ir import Graph, Operation, kinds
from lwm2m_ml.compiler.ir.kinds import Activation, UnaryFunction

_ACTIVATIONS = {
    UnaryFunction.RELU: Activation.RELU,
    UnaryFunction.RELU6: Activation.RELU6,
    UnaryFunction.RELU_N1_TO_1: Activation.RELU_N1_TO_1,
}


@dataclass(frozen=True, slots=True)
class FuseActivation:
    """conv, then relu → conv with relu; the result in between disappears."""

    name: str = "activation fusion"

    def apply(self, graph: Graph) -> Graph:
        """The graph with every rectifier fused that can be."""
        for operation in graph.operations:
            producer = graph.producers().get(operation.inputs[0])
            if producer is not None and _fusible(graph, producer, operation):
                graph = _fuse(graph, producer, operation)
        return graph


def _fusible(graph: Graph, producer: Operation, operation: Operation) -> bool:
    """Fusing a rectifier of int8 would change the rounding, so only float graphs are fused."""
    return (
        isinstance(operation.kind, kinds.Unary)
        and operation.kind.function in _ACTIVATIONS
        and isinstance(producer.kind, kinds.FUSES_ACTIVATION)
        and producer.kind.activation is Activation.NONE
        and graph.result(producer).quantization is None
        and len(graph.consumers()[producer.output]) == 1
        and producer.output not in graph.outputs
    )


def _fuse(graph: Graph, producer: Operation, operation: Operation) -> Graph:
    assert isinstance(operation.kind, kinds.Unary)  # noqa: S101 - see _fusible
    assert isinstance(producer.kind, kinds.FUSES_ACTIVATION)  # noqa: S101 - see _fusible
    kind = replace(producer.kind, activation=_ACTIVATIONS[operation.kind.function])
    fused = replace(producer, kind=kind, output=operation.output)
    return graph.with_operations(
        fused if other is producer else other for other in graph.operations if other is not operation
    )
