"""The element type that each kind of operation gives to its result, and the types of operands that it takes."""

from collections.abc import Sequence

from lwm2m_ml.compiler.ir import kinds, recurrent
from lwm2m_ml.compiler.ir.data_type import DataType
from lwm2m_ml.compiler.ir.kinds import Kind
from lwm2m_ml.compiler.ir.trees import TreeEnsemble

_INT8, _INT16, _INT32, _FLOAT = DataType.INT8, DataType.INT16, DataType.INT32, DataType.FLOAT32

# Layers whose operand and result may have 16 bits beside weights of 8.
WIDE_LAYERS = (kinds.Convolution, kinds.DepthwiseConvolution, kinds.FullyConnected)
# Operand types of kinds that take different ones in the integer world; everything else takes equal ones.
_INTEGER_OPERANDS: dict[type, tuple[DataType, ...]] = {
    **dict.fromkeys(kinds.OUTPUT_AXIS, (_INT8, _INT8, _INT32)),
    recurrent.Lstm: (_INT8, _INT8, _INT8, _INT32),
    recurrent.Gru: (_INT8, _INT8, _INT8, _INT32, _INT32),
    recurrent.SvdfState: (_INT8, _INT8, _INT16),
    recurrent.SvdfResult: (_INT16, _INT16, _INT32),
    kinds.Dequantize: (_INT8,),
}


def result_type(kind: Kind, first: DataType) -> DataType:
    """The element type of the result, given that of the first operand."""
    if isinstance(kind, kinds.Quantize):
        return _INT8
    if isinstance(kind, kinds.Dequantize):
        return _FLOAT
    if isinstance(kind, recurrent.SvdfState) and first is _INT8:
        return _INT16
    if isinstance(kind, recurrent.SvdfResult) and first is _INT16:
        return _INT8
    return first


def possible_results(kind: Kind, first: DataType) -> tuple[DataType, ...]:
    """The element types that a kind may give: layers with weights choose between 8 and 16 bits."""
    if isinstance(kind, WIDE_LAYERS) and first in (_INT8, _INT16):
        return (_INT8, _INT16)
    return (result_type(kind, first),)


def wrong_operand(kind: Kind, operands: Sequence[DataType]) -> int | None:
    """The number of the first operand whose type the kind does not take; None when all are right."""
    integer = operands[0] in (_INT8, _INT16) and type(kind) in _INTEGER_OPERANDS
    wanted = _INTEGER_OPERANDS[type(kind)] if integer else (operands[0],) * len(operands)
    if integer and isinstance(kind, WIDE_LAYERS):
        wanted = (operands[0], *wanted[1:])
    if isinstance(kind, kinds.Quantize):
        wanted = (_FLOAT,)
    if isinstance(kind, TreeEnsemble):
        wanted = (_FLOAT, _INT32, _FLOAT, _INT32, _FLOAT, _FLOAT)
    pairs = enumerate(zip(operands, wanted, strict=False))
    return next((place for place, (given, right) in pairs if given is not right), None)
