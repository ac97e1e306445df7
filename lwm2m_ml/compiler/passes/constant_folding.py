"""Computes at compile time what depends on constants only."""

from dataclasses import dataclass, replace

from lwm2m_ml.compiler.interpreter import compute
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.ir.builder import constant_tensor


@dataclass(frozen=True, slots=True)
class ConstantFolding:
    """Replace operations on constants by their results."""

    name: str = "constant folding"

    def apply(self, graph: Graph) -> Graph:
        """The graph without them."""
        tensors = dict(graph.tensors)
        operations = []
        for operation in graph.operations:
            operands = [tensors[name] for name in operation.inputs]
            if not all(operand.is_constant for operand in operands):
                operations.append(operation)
                continue
            (values,) = compute(graph, operation, [operand.values[None] for operand in operands])
            quantization = tensors[operation.output].quantization
            tensors[operation.output] = constant_tensor(operation.output, values, quantization)
        if len(operations) == len(graph.operations):
            return graph
        return replace(graph, tensors=tensors, operations=tuple(operations))
