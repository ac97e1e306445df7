"""Removes transpositions: those that move nothing, pairs that undo each other, those that weights can absorb."""

from dataclasses import dataclass, replace

import numpy

from lwm2m_ml.compiler.ir import Graph, Operation
from lwm2m_ml.compiler.ir.axes import moves_only_ones
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.ir.kinds import FullyConnected, Reshape, Transpose


@dataclass(frozen=True, slots=True)
class EliminateTranspose:
    """Transposition becomes reshape, merges with its neighbour, or moves into the weights behind a flattening."""

    name: str = "transpose elimination"

    def apply(self, graph: Graph) -> Graph:
        """The graph with one kind of simplification applied wherever it fits."""
        graph = _to_reshapes(graph)
        graph = _merge_pairs(graph)
        return _absorb_into_weights(graph)


def _to_reshapes(graph: Graph) -> Graph:
    operations = [
        replace(operation, kind=Reshape(graph.result(operation).shape))
        if isinstance(operation.kind, Transpose)
        and moves_only_ones(graph.operands(operation)[0].shape, operation.kind.permutation)
        else operation
        for operation in graph.operations
    ]
    return graph if operations == list(graph.operations) else graph.with_operations(operations)


def _merge_pairs(graph: Graph) -> Graph:
    producers = graph.producers()
    operations = []
    for operation in graph.operations:
        before = producers.get(operation.inputs[0])
        if isinstance(operation.kind, Transpose) and before is not None and isinstance(before.kind, Transpose):
            first = before.kind.permutation
            merged = tuple(first[axis] for axis in operation.kind.permutation)
            operation = replace(operation, kind=Transpose(merged), inputs=before.inputs)  # noqa: PLW2901
            producers[operation.output] = operation
        operations.append(operation)
    return graph if operations == list(graph.operations) else graph.with_operations(operations)


def _absorb_into_weights(graph: Graph) -> Graph:
    """Transpose → flatten → fully connected: the weights' columns take the order before the transposition."""
    producers = graph.producers()
    for operation in graph.operations:
        flatten = producers.get(operation.inputs[0])
        transpose = producers.get(flatten.inputs[0]) if flatten is not None else None
        if (
            isinstance(operation.kind, FullyConnected)
            and flatten is not None
            and isinstance(flatten.kind, Reshape)
            and transpose is not None
            and isinstance(transpose.kind, Transpose)
            and transpose.kind.permutation[0] == 0
            and len(graph.consumers()[flatten.output]) == 1
            and graph.tensor(operation.inputs[1]).is_constant
            and graph.operands(transpose)[0].shape[0] == graph.operands(operation)[0].shape[0]
        ):
            graph = _reorder(graph, operation, flatten, transpose)
    return graph


def _reorder(graph: Graph, operation: Operation, flatten: Operation, transpose: Operation) -> Graph:
    assert isinstance(transpose.kind, Transpose)  # noqa: S101 - see the caller
    weights = graph.tensor(operation.inputs[1])
    inner = graph.result(transpose).shape[1:]
    inverse = numpy.argsort([axis - 1 for axis in transpose.kind.permutation[1:]])
    columns = weights.values.reshape(weights.shape[0], *inner).transpose(0, *(axis + 1 for axis in inverse))
    name = f"{weights.name}.reordered"
    while name in graph.tensors:
        name += "'"
    reordered = constant_tensor(name, columns.reshape(weights.shape), weights.quantization)
    flat = replace(flatten, inputs=transpose.inputs)
    layer = replace(operation, inputs=(operation.inputs[0], name, operation.inputs[2]))
    changed = {id(flatten): flat, id(operation): layer}
    return graph.with_tensors([reordered]).with_operations(changed.get(id(other), other) for other in graph.operations)
