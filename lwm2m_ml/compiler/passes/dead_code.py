"""Removes what no output depends on."""

from dataclasses import dataclass, replace

from lwm2m_ml.compiler.ir import Graph


@dataclass(frozen=True, slots=True)
class DeadCode:
    """Drop operations and tensors that no output needs; inputs stay, they are part of the interface."""

    name: str = "dead code"

    def apply(self, graph: Graph) -> Graph:
        """The graph without them."""
        needed = set(graph.outputs)
        for operation in reversed(graph.operations):
            if operation.output in needed:
                needed.update(operation.inputs)
        operations = tuple(operation for operation in graph.operations if operation.output in needed)
        tensors = {name: tensor for name, tensor in graph.tensors.items() if name in needed or name in graph.inputs}
        if len(operations) == len(graph.operations) and len(tensors) == len(graph.tensors):
            return graph
        return replace(graph, operations=operations, tensors=tensors)
