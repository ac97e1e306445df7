"""The table of TFLite operators that can be read; one function each."""

import math
from collections.abc import Callable, Mapping

import tflite

from lwm2m_ml.compiler.errors import UnsupportedOperator, WrongShape
from lwm2m_ml.compiler.frontends.tflite_file import FileOperator
from lwm2m_ml.compiler.frontends.tflite_importer import TfliteImporter
from lwm2m_ml.compiler.frontends.tflite_more import IMPORTERS as MORE_IMPORTERS
from lwm2m_ml.compiler.frontends.tflite_options import options_of, padding_of, positive
from lwm2m_ml.compiler.frontends.tflite_recurrent import IMPORTERS as RECURRENT_IMPORTERS
from lwm2m_ml.compiler.ir import DataType, kinds
from lwm2m_ml.compiler.ir.kinds import BinaryFunction, UnaryFunction


def _convolution(importer: TfliteImporter, operator: FileOperator) -> None:
    options = options_of(operator, tflite.Conv2DOptions)
    image = importer.operand(operator, 0)
    data = importer.constant(operator, 1).data
    assert data is not None  # noqa: S101 - see constant
    stride = (int(options.StrideH()), int(options.StrideW()))
    dilation = (int(options.DilationHFactor()), int(options.DilationWFactor()))
    positive(*stride, *dilation)
    if data.ndim != 4 or len(importer.shape(image)) != 4 or importer.shape(image)[3] % data.shape[3]:
        raise WrongShape(f"weights {data.shape} do not fit the image {importer.shape(image)}")
    kind = kinds.Convolution(
        stride,
        padding_of(options.Padding(), importer.shape(image)[1:3], data.shape[1:3], stride, dilation),
        dilation,
        importer.shape(image)[3] // data.shape[3],
        importer.activation(operator, options.FusedActivationFunction()),
    )
    weights = importer.weights(operator, 1, data, 0)
    importer.add(operator, kind, [image, weights, importer.bias(operator, 2, data.shape[0])])


def _depthwise(importer: TfliteImporter, operator: FileOperator) -> None:
    options = options_of(operator, tflite.DepthwiseConv2DOptions)
    image = importer.operand(operator, 0)
    data = importer.constant(operator, 1).data
    assert data is not None  # noqa: S101 - see constant
    stride = (int(options.StrideH()), int(options.StrideW()))
    dilation = (int(options.DilationHFactor()), int(options.DilationWFactor()))
    positive(*stride, *dilation)
    if data.ndim != 4 or data.shape[0] != 1 or len(importer.shape(image)) != 4:
        raise WrongShape(f"weights {data.shape} do not fit the image {importer.shape(image)}")
    kind = kinds.DepthwiseConvolution(
        stride,
        padding_of(options.Padding(), importer.shape(image)[1:3], data.shape[1:3], stride, dilation),
        dilation,
        importer.activation(operator, options.FusedActivationFunction()),
    )
    weights = importer.weights(operator, 1, data[0], 2)
    importer.add(operator, kind, [image, weights, importer.bias(operator, 2, data.shape[3])])


def _fully_connected(importer: TfliteImporter, operator: FileOperator) -> None:
    options = options_of(operator, tflite.FullyConnectedOptions)
    if options.WeightsFormat() != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
        raise UnsupportedOperator(operator.name, operator.place, why="its weights are shuffled")
    name = importer.operand(operator, 0)
    data = importer.constant(operator, 1).data
    assert data is not None  # noqa: S101 - see constant
    shape = importer.shape(name)
    if data.ndim != 2 or math.prod(shape) % data.shape[1]:
        raise WrongShape(f"weights {data.shape} do not fit {shape}")
    rows = (math.prod(shape) // data.shape[1], data.shape[1])
    quantization = importer.builder.tensors[name].quantization
    if shape != rows:
        name = importer.builder.add(kinds.Reshape(rows), [name], f"{name}/rows", quantization=quantization)
    kind = kinds.FullyConnected(importer.activation(operator, options.FusedActivationFunction()))
    operands = [name, importer.weights(operator, 1, data, 0), importer.bias(operator, 2, data.shape[0])]
    result = importer.file.tensors[operator.outputs[0]]
    if result.shape == (rows[0], data.shape[0]):
        importer.add(operator, kind, operands)
        return
    flat = importer.builder.add(kind, operands, f"{result.name}/rows", quantization=result.quantization)
    importer.add(operator, kinds.Reshape(result.shape), [flat])


def _pool(importer: TfliteImporter, operator: FileOperator) -> None:
    options = options_of(operator, tflite.Pool2DOptions)
    image = importer.operand(operator, 0)
    window = (int(options.FilterHeight()), int(options.FilterWidth()))
    stride = (int(options.StrideH()), int(options.StrideW()))
    positive(*window, *stride)
    kind = kinds.MaxPool if operator.name == "MAX_POOL_2D" else kinds.AveragePool
    padding = padding_of(options.Padding(), importer.shape(image)[1:3], window, stride, (1, 1))
    activation = importer.activation(operator, options.FusedActivationFunction())
    importer.add(operator, kind(window, stride, padding, activation), [image])


_BINARY = {
    "ADD": (BinaryFunction.ADD, tflite.AddOptions),
    "MUL": (BinaryFunction.MULTIPLY, tflite.MulOptions),
    "SUB": (BinaryFunction.SUBTRACT, tflite.SubOptions),
}
_UNARY = {
    "ELU": UnaryFunction.ELU,
    "HARD_SWISH": UnaryFunction.HARD_SWISH,
    "LEAKY_RELU": UnaryFunction.LEAKY_RELU,
    "LOGISTIC": UnaryFunction.LOGISTIC,
    "RELU": UnaryFunction.RELU,
    "RELU6": UnaryFunction.RELU6,
    "RELU_N1_TO_1": UnaryFunction.RELU_N1_TO_1,
    "TANH": UnaryFunction.TANH,
}


def _binary(importer: TfliteImporter, operator: FileOperator) -> None:
    function, table = _BINARY[operator.name]
    activation = importer.activation(operator, options_of(operator, table).FusedActivationFunction())
    operands = [importer.operand(operator, 0), importer.operand(operator, 1)]
    importer.add(operator, kinds.Binary(function, activation), operands)


def _unary(importer: TfliteImporter, operator: FileOperator) -> None:
    function = _UNARY[operator.name]
    alpha = options_of(operator, tflite.LeakyReluOptions).Alpha() if function is UnaryFunction.LEAKY_RELU else 0.0
    importer.add(operator, kinds.Unary(function, float(alpha)), [importer.operand(operator, 0)])


def _softmax(importer: TfliteImporter, operator: FileOperator) -> None:
    beta = float(options_of(operator, tflite.SoftmaxOptions).Beta())
    result = importer.file.tensors[operator.outputs[0]]
    quantization = result.quantization
    if quantization is not None and (abs(quantization.scale - 1 / 256) > 1e-6 or quantization.zero_point != -128):
        raise UnsupportedOperator(operator.name, operator.place, why="its result is not quantised as 1/256 and -128")
    importer.add(operator, kinds.Softmax(beta), [importer.operand(operator, 0)])


def _reshape(importer: TfliteImporter, operator: FileOperator) -> None:
    """The file's result shape is what counts: RESHAPE, SQUEEZE and EXPAND_DIMS all say it."""
    shape = importer.file.tensors[operator.outputs[0]].shape
    importer.add(operator, kinds.Reshape(shape), [importer.operand(operator, 0)])


def _transpose(importer: TfliteImporter, operator: FileOperator) -> None:
    importer.add(operator, kinds.Transpose(importer.integers(operator, 1)), [importer.operand(operator, 0)])


def _pad(importer: TfliteImporter, operator: FileOperator) -> None:
    pads = importer.integers(operator, 1)
    value = 0.0
    if operator.name == "PADV2":
        tensor = importer.constant(operator, 2)
        assert tensor.data is not None  # noqa: S101 - see constant
        code = float(tensor.data.reshape(-1)[0])
        quantization = tensor.quantization
        value = code if quantization is None else (code - quantization.zero_point) * quantization.scale
    importer.add(operator, kinds.Pad(pads[0::2], pads[1::2], value), [importer.operand(operator, 0)])


def _concatenate(importer: TfliteImporter, operator: FileOperator) -> None:
    options = options_of(operator, tflite.ConcatenationOptions)
    operands = [importer.operand(operator, position) for position in range(len(operator.inputs))]
    rank = len(importer.shape(operands[0]))
    if importer.activation(operator, options.FusedActivationFunction()) is not kinds.Activation.NONE:
        raise UnsupportedOperator(operator.name, operator.place, why="an activation is fused into it")
    importer.add(operator, kinds.Concatenate(int(options.Axis()) % rank), operands)


def _slice(importer: TfliteImporter, operator: FileOperator) -> None:
    name = importer.operand(operator, 0)
    shape = importer.shape(name)
    begin, sizes = importer.integers(operator, 1), importer.integers(operator, 2)
    end = tuple(length if size == -1 else start + size for start, size, length in zip(begin, sizes, shape, strict=True))
    importer.add(operator, kinds.Slice(begin, end, (1,) * len(shape)), [name])


def _split(importer: TfliteImporter, operator: FileOperator) -> None:
    name = importer.operand(operator, 1)
    shape = importer.shape(name)
    axis = importer.integers(operator, 0)[0] % len(shape)
    start = 0
    for index in operator.outputs:
        length = importer.file.tensors[index].shape[axis]
        begin, end = [0] * len(shape), list(shape)
        begin[axis], end[axis] = start, start + length
        importer.add_result(operator, kinds.Slice(tuple(begin), tuple(end), (1,) * len(shape)), [name], index)
        start += length


def _quantize(importer: TfliteImporter, operator: FileOperator) -> None:
    """At the border the quantised tensor is already an input; from int8 it is a change of scale."""
    if operator.outputs[0] in importer.names:
        return
    if importer.operand_type(operator) is DataType.FLOAT32:
        importer.add(operator, kinds.Quantize(), [importer.operand(operator, 0)])
        return
    if importer.operand_type(operator) is not DataType.INT8:
        raise UnsupportedOperator(
            operator.name, operator.place, why=f"it reads {importer.operand_type(operator).value}"
        )
    importer.add(operator, kinds.Requantize(), [importer.operand(operator, 0)])


def _dequantize(importer: TfliteImporter, operator: FileOperator) -> None:
    """At the end of the model the module gives the int8 tensor before it; packed weights become float constants."""
    tensor, result = importer.file.tensors[operator.inputs[0]], operator.outputs[0]
    read = any(result in other.inputs for other in importer.file.operators)
    if tensor.data is not None:
        importer.unpack(operator.inputs[0], result)
    elif (result in importer.file.outputs and not read) or tensor.dtype is DataType.FLOAT32:
        importer.names[result] = importer.operand(operator, 0)
    else:
        importer.add(operator, kinds.Dequantize(), [importer.operand(operator, 0)])


IMPORTERS: Mapping[str, Callable[[TfliteImporter, FileOperator], None]] = {
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_UNARY, _unary),
    **MORE_IMPORTERS,
    **RECURRENT_IMPORTERS,
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenate,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEQUANTIZE": _dequantize,
    "EXPAND_DIMS": _reshape,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _pool,
    "PAD": _pad,
    "PADV2": _pad,
    "QUANTIZE": _quantize,
    "RESHAPE": _reshape,
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SPLIT": _split,
    "SQUEEZE": _reshape,
    "TRANSPOSE": _transpose,
}
