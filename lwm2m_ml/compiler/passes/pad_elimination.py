"""Lets convolutions do the padding that a Pad before them does."""

from dataclasses import dataclass, replace

from lwm2m_ml.compiler.ir import Graph, Operation
from lwm2m_ml.compiler.ir.kinds import Convolution, DepthwiseConvolution, Pad, Padding


@dataclass(frozen=True, slots=True)
class EliminatePad:
    """Pad height and width with zero, then convolve → convolve with padding."""

    name: str = "pad elimination"

    def apply(self, graph: Graph) -> Graph:
        """The graph with such pads merged; dead code elimination removes the Pad."""
        producers = graph.producers()
        operations = []
        for operation in graph.operations:
            pad = producers.get(operation.inputs[0])
            operations.append(_merge(operation, pad) if pad is not None else operation)
        return graph if operations == list(graph.operations) else graph.with_operations(operations)


def _merge(operation: Operation, pad: Operation) -> Operation:
    kind, padding = operation.kind, pad.kind
    if not isinstance(kind, Convolution | DepthwiseConvolution) or not isinstance(padding, Pad):
        return operation
    if padding.value != 0 or any((padding.before[0], padding.before[3], padding.after[0], padding.after[3])):
        return operation
    whole = Padding(
        kind.padding.top + padding.before[1],
        kind.padding.bottom + padding.after[1],
        kind.padding.left + padding.before[2],
        kind.padding.right + padding.after[2],
    )
    return replace(operation, kind=replace(kind, padding=whole), inputs=(pad.inputs[0], *operation.inputs[1:]))
