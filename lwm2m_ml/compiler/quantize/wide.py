"""Which tensors can hold 16 bits: those between layers with weights, for which alone there are such kernels."""

from lwm2m_ml.compiler.ir import Graph, kinds
from lwm2m_ml.compiler.ir.types import WIDE_LAYERS
from lwm2m_ml.compiler.quantize.settings import Precision, QuantizationSettings
from lwm2m_ml.compiler.quantize.sharing import SharedRanges

_WIDE_KINDS = (*WIDE_LAYERS, kinds.Reshape, kinds.Transpose)


def wide_tensors(graph: Graph, shared: SharedRanges, settings: QuantizationSettings) -> frozenset[str]:
    """The tensors of 16 bits: results whose layer wants them so, and what shares their quantisation, where possible."""
    wanted = {
        shared.group_of(operation.output)
        for operation in graph.operations
        if settings.of(operation.output) is Precision.INT16
    }
    possible = wanted - _impossible(graph, shared, settings)
    return frozenset(name for name in graph.tensors if shared.group_of(name) in possible)


def can_be_wide(graph: Graph, shared: SharedRanges, settings: QuantizationSettings, name: str) -> bool:
    """Whether a tensor could hold 16 bits."""
    return shared.group_of(name) not in _impossible(graph, shared, settings)


def _impossible(graph: Graph, shared: SharedRanges, settings: QuantizationSettings) -> set[str]:
    names = {*graph.inputs, *graph.outputs}
    for operation in graph.operations:
        if not isinstance(operation.kind, _WIDE_KINDS) or settings.of(operation.output) is Precision.FLOAT32:
            names |= {*operation.inputs, operation.output}
    fixed = {name for name in graph.tensors if shared.fixed(name) is not None}
    return {shared.group_of(name) for name in names | fixed}
