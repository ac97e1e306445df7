"""Reads TFLite operators that work through sequences (LSTM) or keep a state (SVDF)."""

import math
from collections.abc import Callable, Mapping

import numpy
import tflite

from lwm2m_ml.compiler.errors import MissingQuantization, UnsupportedOperator, WrongShape
from lwm2m_ml.compiler.frontends.tflite_file import FileOperator, FileTensor
from lwm2m_ml.compiler.frontends.tflite_importer import TfliteImporter
from lwm2m_ml.compiler.frontends.tflite_options import options_of
from lwm2m_ml.compiler.ir import Array, DataType, Quantization
from lwm2m_ml.compiler.ir.kinds import Transpose
from lwm2m_ml.compiler.ir.recurrent import Lstm, SvdfResult, SvdfState

# Places of the operands of UNIDIRECTIONAL_SEQUENCE_LSTM; gates in the order input, forget, cell, output.
_WEIGHTS, _RECURRENT, _BIASES = range(1, 5), range(5, 9), range(12, 16)
_OTHERS = {9: "peepholes", 10: "peepholes", 11: "peepholes", 16: "a projection", 17: "a projection"}
_OTHERS |= dict.fromkeys(range(20, 24), "layer normalisation")
_HIDDEN_STATE, _CELL_STATE = 18, 19
_HIDDEN_INTERMEDIATE = 4
_TANH, _RELU, _NONE = (
    tflite.ActivationFunctionType.TANH,
    tflite.ActivationFunctionType.RELU,
    tflite.ActivationFunctionType.NONE,
)


def _refuse(operator: FileOperator, why: str, hint: str = "") -> UnsupportedOperator:
    return UnsupportedOperator(operator.name, operator.place, why=why, hint=hint)


def _lstm(importer: TfliteImporter, operator: FileOperator) -> None:
    options = options_of(operator, tflite.UnidirectionalSequenceLSTMOptions)
    for position, what in _OTHERS.items():
        if position < len(operator.inputs) and operator.inputs[position] >= 0:
            raise _refuse(operator, f"it has {what}", "The plain form, as Keras makes it, works")
    if any(operator.inputs[position] < 0 for position in (*_WEIGHTS, *_RECURRENT)):
        raise _refuse(operator, "its input and forget gates are coupled", "The plain form, as Keras makes it, works")
    if options.FusedActivationFunction() != _TANH:
        raise _refuse(operator, "its activation is not tanh")
    sequence = importer.operand(operator, 0)
    integer = importer.operand_type(operator) is DataType.INT8
    kind = Lstm(_cell_scale(importer, operator) if integer else 0.0, max(0.0, float(options.CellClip())))
    operands = [_stacked(importer, operator, _WEIGHTS), _stacked(importer, operator, _RECURRENT)]
    operands.append(_biases(importer, operator, integer=integer))
    if not options.TimeMajor():
        importer.add(operator, kind, [sequence, *operands])
        return
    given, result = importer.builder.tensors[sequence], importer.file.tensors[operator.outputs[0]]
    builder, turn = importer.builder, Transpose((1, 0, 2))
    turned = builder.add(turn, [sequence], f"{sequence}/samples first", quantization=given.quantization)
    hidden = builder.add(
        kind,
        [turned, *operands],
        f"{result.name}/samples first",
        name=operator.label,
        quantization=result.quantization if integer else None,
    )
    importer.add(operator, turn, [hidden])


def _cell_scale(importer: TfliteImporter, operator: FileOperator) -> float:
    """The scale of the cell state; checks that the hidden state has the result's quantisation everywhere."""
    tensors = importer.file.tensors
    cell = tensors[operator.inputs[_CELL_STATE]]
    if len(operator.intermediates) <= _HIDDEN_INTERMEDIATE or cell.quantization is None:
        raise MissingQuantization(f"Operator {operator.label} lacks the scales of its states")
    result = tensors[operator.outputs[0]].quantization
    hidden = tensors[operator.intermediates[_HIDDEN_INTERMEDIATE]].quantization
    if not result == hidden == tensors[operator.inputs[_HIDDEN_STATE]].quantization:
        raise _refuse(operator, "its hidden state and result are quantised differently")
    exponent = math.log2(cell.quantization.scale)
    if cell.dtype is not DataType.INT16 or exponent != round(exponent) or not -15 <= exponent <= -9:
        raise _refuse(operator, "the scale of its cell state is no power of two from 2⁻¹⁵ to 2⁻⁹")
    return cell.quantization.scale


def _stacked(importer: TfliteImporter, operator: FileOperator, positions: range) -> str:
    """The weights of all gates as one constant, with the scale of its gate for every row."""
    parts = [importer.constant(operator, position) for position in positions]
    shapes = {part.shape for part in parts}
    if len(shapes) != 1 or len(parts[0].shape) != 2:
        raise WrongShape("the gates' weights have different shapes")
    values = numpy.concatenate([_values(part) for part in parts])
    wish = f"{operator.label} weights {positions.start}"
    if parts[0].dtype is DataType.FLOAT32:
        return importer.builder.constant(wish, values)
    if importer.operand_type(operator) is DataType.FLOAT32:
        return importer.builder.constant(wish, numpy.concatenate([_real(part) for part in parts]))
    scales = tuple(_scale(part) for part in parts for _ in range(part.shape[0]))
    return importer.builder.constant(wish, values, Quantization(scales, (0,) * len(scales), 0))


def _values(tensor: FileTensor) -> Array:
    assert tensor.data is not None  # noqa: S101 - see TfliteImporter.constant
    return tensor.data


def _scale(tensor: FileTensor) -> float:
    quantization = tensor.quantization
    if quantization is None or quantization.axis is not None or any(quantization.zero_points):
        raise MissingQuantization(f"Weights {tensor.name} have no single symmetric scale")
    return quantization.scale


def _real(tensor: FileTensor) -> Array:
    return (_values(tensor).astype(numpy.float64) * _scale(tensor)).astype(numpy.float32)


def _biases(importer: TfliteImporter, operator: FileOperator, *, integer: bool) -> str:
    dtype = numpy.int32 if integer else numpy.float32
    parts = []
    for position, gate in zip(_BIASES, _RECURRENT, strict=True):
        units = importer.constant(operator, gate).shape[0]
        given = position < len(operator.inputs) and operator.inputs[position] >= 0
        parts.append(_values(importer.constant(operator, position)) if given else numpy.zeros(units, dtype))
    values = numpy.concatenate(parts)
    if values.dtype != dtype:
        raise _refuse(operator, f"its biases are {values.dtype}")
    return importer.builder.constant(f"{operator.label} biases", values)


def _svdf(importer: TfliteImporter, operator: FileOperator) -> None:
    """Operands: input, feature weights, time weights, bias, state. The state is given and computed explicitly."""
    options = options_of(operator, tflite.SVDFOptions)
    activation, rank = options.FusedActivationFunction(), int(options.Rank())
    integer = importer.operand_type(operator) is DataType.INT8
    if activation not in (_RELU, _NONE) or (integer and activation != _RELU):
        raise _refuse(operator, "its activation is not relu")
    feature, time = importer.constant(operator, 1), importer.constant(operator, 2)
    stored = importer.file.tensors[operator.inputs[4]]
    if integer and (time.dtype is not DataType.INT16 or stored.dtype is not DataType.INT16):
        raise _refuse(operator, "its time weights or its state are not int16", "Convert it again with TFLite")
    if len(time.shape) != 2 or rank < 1 or time.shape[0] % rank or feature.shape[:1] != time.shape[:1]:
        raise WrongShape(f"time weights {time.shape} do not fit feature weights {feature.shape} and rank {rank}")
    rows = importer.operand(operator, 0)
    shape = (importer.shape(rows)[0], *time.shape)
    quantization = stored.quantization if integer else None
    given = importer.builder.variable(stored.name, shape, stored.dtype, quantization)
    weights = importer.weights(operator, 1, _values(feature), 0)
    state = importer.builder.add(
        SvdfState(), [rows, weights, given], f"{stored.name}/next", name=operator.label, quantization=quantization
    )
    importer.states.append((given, state))
    times = importer.builder.constant(time.name, _values(time), time.quantization if integer else None)
    bias = importer.bias(operator, 3, time.shape[0] // rank)
    importer.add(operator, SvdfResult(rank, activation == _RELU), [state, times, bias])


IMPORTERS: Mapping[str, Callable[[TfliteImporter, FileOperator], None]] = {
    "SVDF": _svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}
