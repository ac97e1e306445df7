"""Moves transpositions behind elementwise operations: there they meet others and vanish, and layers meet biases."""

from dataclasses import dataclass, replace

import numpy

from lwm2m_ml.compiler.ir import Graph, Operation, Tensor, kinds
from lwm2m_ml.compiler.ir.builder import constant_tensor

_ELEMENTWISE = (kinds.Binary, kinds.Unary)
# In one run of the pass; the passes are run until nothing changes.
_MOST_MOVES = 64


@dataclass(frozen=True, slots=True)
class SinkTranspose:
    """f(transposed x) becomes transposed f(x): for functions of one operand, of a constant, of two transposed alike."""

    name: str = "transpose sinking"

    def apply(self, graph: Graph) -> Graph:
        """The graph with transpositions moved; the same object when none can be."""
        for _ in range(_MOST_MOVES):
            moved = self._one_moved(graph)
            if moved is graph:
                break
            graph = moved
        return graph

    @staticmethod
    def _one_moved(graph: Graph) -> Graph:
        producers, readers = graph.producers(), graph.consumers()
        for operation in graph.operations:
            if not isinstance(operation.kind, _ELEMENTWISE) or graph.result(operation).quantization is not None:
                continue
            order = _common_order(graph, operation, producers)
            alone = all(len(readers[name]) == 1 and name not in graph.outputs for name in _computed(graph, operation))
            if order is not None and alone:
                return _sunk(graph, operation, producers, order)
        return graph


def _computed(graph: Graph, operation: Operation) -> list[str]:
    return [name for name in operation.inputs if not graph.tensor(name).is_constant]


def _common_order(graph: Graph, operation: Operation, producers: dict[str, Operation]) -> tuple[int, ...] | None:
    """The order that all computed operands were brought into; None when they were not."""
    orders = set()
    rank = len(graph.result(operation).shape)
    for name in _computed(graph, operation):
        kind = producers[name].kind if name in producers else None
        if not isinstance(kind, kinds.Transpose) or len(kind.permutation) != rank:
            return None
        orders.add(kind.permutation)
    return orders.pop() if len(orders) == 1 else None


def _sunk(graph: Graph, operation: Operation, producers: dict[str, Operation], order: tuple[int, ...]) -> Graph:
    inputs, tensors = [], []
    for place, name in enumerate(operation.inputs):
        tensor = graph.tensor(name)
        if tensor.is_constant:
            tensors.append(_back(tensor, order, f"{operation.output}/sunk {place}"))
            inputs.append(tensors[-1].name)
        else:
            inputs.append(producers[name].inputs[0])
    result = graph.result(operation)
    back = numpy.argsort(order)
    before = replace(result, name=f"{operation.output}/sunk", shape=tuple(result.shape[axis] for axis in back))
    moved = replace(operation, inputs=tuple(inputs), output=before.name)
    transposed = Operation(operation.name, kinds.Transpose(order), (before.name,), operation.output)
    operations: list[Operation] = []
    for each in graph.operations:
        operations.extend((moved, transposed) if each is operation else (each,))
    return graph.with_tensors([*tensors, before]).with_operations(operations)


def _back(tensor: Tensor, order: tuple[int, ...], name: str) -> Tensor:
    aligned = tensor.values.reshape((1,) * (len(order) - tensor.values.ndim) + tensor.values.shape)
    return constant_tensor(name, aligned.transpose(numpy.argsort(order)))
