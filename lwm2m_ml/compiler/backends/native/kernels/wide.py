"""The C types of layers that may read or write 16 bits."""

import numpy

from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.ir import kinds
from lwm2m_ml.compiler.reference.requantization import is_wide

_LARGEST_SUM = (1 << 31) - 1


def element_types(layer: Layer) -> dict[str, object]:
    """The types of operand, result and sum, for a template; sums have 64 bits only where they could need them."""
    return {
        "INPUT": f"{layer.operands[0].dtype.value}_t",
        "OUTPUT": f"{layer.result.dtype.value}_t",
        "SUM": "int32_t" if _fits(layer) else "int64_t",
    }


def _fits(layer: Layer) -> bool:
    operand, weights, bias = layer.operands
    if not is_wide(operand):
        return True
    axis = kinds.OUTPUT_AXIS[type(layer.kind)]
    others = tuple(index for index in range(weights.values.ndim) if index != axis)
    sizes = numpy.abs(weights.values.astype(numpy.int64)).sum(axis=others) << 15
    return int((sizes + numpy.abs(bias.values.astype(numpy.int64))).max(initial=0)) <= _LARGEST_SUM
