"""Makes fully connected layers round as TFLM does: twice, where LiteRT's reference kernels round once."""

from dataclasses import dataclass, replace

from lwm2m_ml.compiler.ir import Graph, kinds


@dataclass(frozen=True, slots=True)
class RoundAsTflm:
    """TFLM scales every sum with gemmlowp's two roundings (MultiplyByQuantizedMultiplier, double rounding)."""

    name: str = "TFLM's rounding"

    def apply(self, graph: Graph) -> Graph:
        """The graph whose fully connected layers round twice."""
        operations = tuple(
            replace(operation, kind=replace(operation.kind, rounds_twice=True))
            if isinstance(operation.kind, kinds.FullyConnected)
            else operation
            for operation in graph.operations
        )
        return graph if operations == graph.operations else graph.with_operations(operations)
