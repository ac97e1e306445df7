"""Removes reshapes that change nothing and merges chains of them."""

from dataclasses import dataclass, replace

from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.ir.kinds import Reshape


@dataclass(frozen=True, slots=True)
class EliminateReshape:
    """A reshape to the same shape goes; of two in a row only the last stays."""

    name: str = "reshape elimination"

    def apply(self, graph: Graph) -> Graph:
        """The graph without needless reshapes."""
        producers = graph.producers()
        names: dict[str, str] = {}
        operations = []
        for operation in graph.operations:
            changed = operation
            if isinstance(operation.kind, Reshape):
                before = producers.get(operation.inputs[0])
                if before is not None and isinstance(before.kind, Reshape):
                    changed = replace(operation, inputs=before.inputs)
                    producers[operation.output] = changed
                same = graph.tensor(changed.inputs[0]).shape == operation.kind.shape
                if same and operation.output not in graph.outputs:
                    names[operation.output] = changed.inputs[0]
                    continue
            operations.append(changed)
        if not names and operations == list(graph.operations):
            return graph
        return graph.with_operations(operations).renamed(names)
