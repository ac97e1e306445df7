"""How each kind of operation is said in LiteRT's operators: one function each, in a table."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy
from ai_edge_litert import schema_py_generated as schema

from lwm2m_ml.compiler.backends.tflite.writer import Writer, options
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.frontends.tflite_more import nearest_indices
from lwm2m_ml.compiler.frontends.tflite_options import same_padding
from lwm2m_ml.compiler.ir import DataType, Operation, Quantization, Tensor, kinds
from lwm2m_ml.compiler.ir.kinds import Activation, BinaryFunction, Padding, UnaryFunction
from lwm2m_ml.compiler.reference.integer_kernels import pad_value

_ACTIVATIONS = {
    Activation.NONE: schema.ActivationFunctionType.NONE,
    Activation.RELU: schema.ActivationFunctionType.RELU,
    Activation.RELU6: schema.ActivationFunctionType.RELU6,
    Activation.RELU_N1_TO_1: schema.ActivationFunctionType.RELU_N1_TO_1,
}
_SMALLEST_INT8 = -128


def write_operation(writer: Writer, operation: Operation) -> None:
    """Add the operators of one operation; raises UnsupportedOperator for what LiteRT has no word for."""
    say = _WORDS.get(type(operation.kind))
    if say is None:
        raise _no_word(operation, "LiteRT has no operator for it")
    say(writer, operation)


def _no_word(operation: Operation, why: str) -> UnsupportedOperator:
    return UnsupportedOperator(operation.kind_name, operation.name, why=why, hint="Try the backend native")


def _given(writer: Writer, operation: Operation) -> list[int]:
    return [writer.number(tensor) for tensor in writer.graph.operands(operation)]


def _result(writer: Writer, operation: Operation) -> list[int]:
    return [writer.number(writer.graph.result(operation))]


def _plain(name: str, table: str = "", **values: Any) -> Callable[[Writer, Operation], None]:
    def say(writer: Writer, operation: Operation) -> None:
        chosen = options(table, **values) if table else None
        writer.operator(name, _given(writer, operation), _result(writer, operation), chosen)

    return say


def _integers(writer: Writer, values: Any) -> int:
    return writer.constant(numpy.asarray(values, numpy.int32))


def _scheme(
    writer: Writer, operation: Operation, window: tuple[int, int], dilation: tuple[int, int], beyond: int | None
) -> tuple[int, int]:
    """The padding scheme, and the number of the image that it is for.

    A padding that is neither SAME nor VALID becomes a PAD of its own that adds the code `beyond`, where there is one.
    """
    kind: Any = operation.kind
    image = writer.graph.operands(operation)[0]
    if kind.padding.is_zero:
        return schema.Padding.VALID, writer.number(image)
    if kind.padding == same_padding(image.shape[1:3], window, kind.stride, dilation):
        return schema.Padding.SAME, writer.number(image)
    if beyond is None:
        raise _no_word(operation, f"its padding {kind.padding} is neither SAME nor VALID")
    return schema.Padding.VALID, _padded(writer, image, kind.padding, beyond)


def _padded(writer: Writer, image: Tensor, padding: Padding, value: int) -> int:
    sides = [(0, 0), (padding.top, padding.bottom), (padding.left, padding.right), (0, 0)]
    shape = [length + sum(side) for length, side in zip(image.shape, sides, strict=True)]
    result = writer.variable(shape, image.dtype, image.quantization)
    added = writer.constant(numpy.full((1,), value, image.dtype.numpy), image.quantization)
    writer.operator("PADV2", [writer.number(image), _integers(writer, sides), added], [result], options("PadV2Options"))
    return result


def _zero(tensor: Tensor) -> int:
    """The code of the real zero."""
    quantization = tensor.quantization
    return 0 if quantization is None or tensor.dtype is DataType.FLOAT32 else quantization.zero_point


def _bias(writer: Writer, operation: Operation) -> int:
    """The bias, whose scale is the product of those of operand and weights."""
    operand, weights, bias = writer.graph.operands(operation)
    if bias.dtype is DataType.FLOAT32 or operand.quantization is None or weights.quantization is None:
        return writer.number(bias)
    scales = tuple(operand.quantization.scale * scale for scale in weights.quantization.scales)
    return writer.constant(bias.values, Quantization(scales, (0,) * len(scales), 0))


def _windowed(kind: Any) -> dict[str, Any]:
    return {
        "strideH": kind.stride[0],
        "strideW": kind.stride[1],
        "fusedActivationFunction": _ACTIVATIONS[kind.activation],
    }


def _convolution(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    image, weights, _ = writer.graph.operands(operation)
    scheme, number = _scheme(writer, operation, weights.shape[1:3], kind.dilation, _zero(image))  # type: ignore[arg-type]
    chosen = options(
        "Conv2DOptions",
        padding=scheme,
        dilationHFactor=kind.dilation[0],
        dilationWFactor=kind.dilation[1],
        **_windowed(kind),
    )
    operands = [number, writer.number(weights), _bias(writer, operation)]
    writer.operator("CONV_2D", operands, _result(writer, operation), chosen)


def _depthwise(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    image, weights, _ = writer.graph.operands(operation)
    scheme, number = _scheme(writer, operation, weights.shape[0:2], kind.dilation, _zero(image))  # type: ignore[arg-type]
    quantization = weights.quantization
    if quantization is not None:
        quantization = Quantization(quantization.scales, quantization.zero_points, 3)
    filters = writer.constant(weights.values[None], quantization)
    chosen = options(
        "DepthwiseConv2DOptions",
        padding=scheme,
        depthMultiplier=weights.shape[2] // image.shape[3],
        dilationHFactor=kind.dilation[0],
        dilationWFactor=kind.dilation[1],
        **_windowed(kind),
    )
    operands = [number, filters, _bias(writer, operation)]
    writer.operator("DEPTHWISE_CONV_2D", operands, _result(writer, operation), chosen)


def _transpose_convolution(writer: Writer, operation: Operation) -> None:
    """Operands: the shape of the result, the weights, the image, the bias."""
    kind: Any = operation.kind
    image, weights, _ = writer.graph.operands(operation)
    if kind.padding.is_zero:
        scheme = schema.Padding.VALID
    elif kind.padding == same_padding(kind.size, weights.shape[1:3], kind.stride, (1, 1)):
        scheme = schema.Padding.SAME
    else:
        raise _no_word(operation, f"its padding {kind.padding} is neither SAME nor VALID")
    shape = _integers(writer, writer.graph.result(operation).shape)
    operands = [shape, writer.number(weights), writer.number(image), _bias(writer, operation)]
    chosen = options("TransposeConvOptions", padding=scheme, **_windowed(kind))
    writer.operator("TRANSPOSE_CONV", operands, _result(writer, operation), chosen)


def _fully_connected(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    rows, weights, _ = writer.graph.operands(operation)
    chosen = options("FullyConnectedOptions", fusedActivationFunction=_ACTIVATIONS[kind.activation])
    operands = [writer.number(rows), writer.number(weights), _bias(writer, operation)]
    writer.operator("FULLY_CONNECTED", operands, _result(writer, operation), chosen)


def _pool(name: str, beyond: int | None) -> Callable[[Writer, Operation], None]:
    def say(writer: Writer, operation: Operation) -> None:
        kind: Any = operation.kind
        real = writer.graph.operands(operation)[0].dtype is DataType.FLOAT32
        scheme, number = _scheme(writer, operation, kind.window, (1, 1), None if real else beyond)
        chosen = options(
            "Pool2DOptions",
            padding=scheme,
            filterHeight=kind.window[0],
            filterWidth=kind.window[1],
            **_windowed(kind),
        )
        writer.operator(name, [number], _result(writer, operation), chosen)

    return say


def _mean(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    operands = [*_given(writer, operation), _integers(writer, kind.axes)]
    writer.operator("MEAN", operands, _result(writer, operation), options("ReducerOptions", keepDims=True))


_BINARY = {
    BinaryFunction.ADD: ("ADD", "AddOptions"),
    BinaryFunction.SUBTRACT: ("SUB", "SubOptions"),
    BinaryFunction.MULTIPLY: ("MUL", "MulOptions"),
    BinaryFunction.MINIMUM: ("MINIMUM", "MaximumMinimumOptions"),
    BinaryFunction.MAXIMUM: ("MAXIMUM", "MaximumMinimumOptions"),
}


def _binary(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    name, table = _BINARY[kind.function]
    if table != "MaximumMinimumOptions":
        chosen = options(table, fusedActivationFunction=_ACTIVATIONS[kind.activation])
    elif kind.activation is Activation.NONE:
        chosen = options(table)
    else:
        raise _no_word(operation, f"{name} takes no activation")
    writer.operator(name, _given(writer, operation), _result(writer, operation), chosen)


_UNARY = {
    UnaryFunction.RELU: "RELU",
    UnaryFunction.RELU6: "RELU6",
    UnaryFunction.RELU_N1_TO_1: "RELU_N1_TO_1",
    UnaryFunction.LEAKY_RELU: "LEAKY_RELU",
    UnaryFunction.LOGISTIC: "LOGISTIC",
    UnaryFunction.TANH: "TANH",
    UnaryFunction.HARD_SWISH: "HARD_SWISH",
}


def _unary(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    if kind.function not in _UNARY:
        raise _no_word(operation, f"LiteRT's reference kernels have no {kind.function.value}")
    leaky = kind.function is UnaryFunction.LEAKY_RELU
    chosen = options("LeakyReluOptions", alpha=kind.alpha) if leaky else None
    writer.operator(_UNARY[kind.function], _given(writer, operation), _result(writer, operation), chosen)


_GRIDS = ((False, False), (True, False), (False, True))


def _resize_nearest(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    lengths = writer.graph.operands(operation)[0].shape[1:3]
    for corners, centers in _GRIDS:
        indices = [
            nearest_indices(length, len(chosen), align_corners=corners, half_pixel_centers=centers)
            for length, chosen in zip(lengths, (kind.rows, kind.columns), strict=True)
        ]
        if indices == [kind.rows, kind.columns]:
            chosen = options("ResizeNearestNeighborOptions", alignCorners=corners, halfPixelCenters=centers)
            operands = [*_given(writer, operation), _integers(writer, (len(kind.rows), len(kind.columns)))]
            writer.operator("RESIZE_NEAREST_NEIGHBOR", operands, _result(writer, operation), chosen)
            return
    raise _no_word(operation, "LiteRT chooses other rows and columns")


def _resize_bilinear(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    chosen = options("ResizeBilinearOptions", alignCorners=kind.align_corners, halfPixelCenters=kind.half_pixel_centers)
    operands = [*_given(writer, operation), _integers(writer, kind.size)]
    writer.operator("RESIZE_BILINEAR", operands, _result(writer, operation), chosen)


def _softmax(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    chosen = options("SoftmaxOptions", beta=kind.beta)
    writer.operator("SOFTMAX", _given(writer, operation), _result(writer, operation), chosen)


def _reshape(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    operands = [*_given(writer, operation), _integers(writer, kind.shape)]
    chosen = options("ReshapeOptions", newShape=list(kind.shape))
    writer.operator("RESHAPE", operands, _result(writer, operation), chosen)


def _transpose(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    operands = [*_given(writer, operation), _integers(writer, kind.permutation)]
    writer.operator("TRANSPOSE", operands, _result(writer, operation), options("TransposeOptions"))


def _pad(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    result = writer.graph.result(operation)
    sides = _integers(writer, list(zip(kind.before, kind.after, strict=True)))
    if kind.value == 0:
        operands = [*_given(writer, operation), sides]
        writer.operator("PAD", operands, _result(writer, operation), options("PadOptions"))
        return
    value = kind.value if result.dtype is DataType.FLOAT32 else pad_value(writer.graph, operation)
    added = writer.constant(numpy.full((1,), value, result.dtype.numpy), result.quantization)
    operands = [*_given(writer, operation), sides, added]
    writer.operator("PADV2", operands, _result(writer, operation), options("PadV2Options"))


def _concatenate(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    chosen = options("ConcatenationOptions", axis=kind.axis)
    writer.operator("CONCATENATION", _given(writer, operation), _result(writer, operation), chosen)


def _slice(writer: Writer, operation: Operation) -> None:
    kind: Any = operation.kind
    bounds = [_integers(writer, values) for values in (kind.begin, kind.end, kind.step)]
    operands = [*_given(writer, operation), *bounds]
    writer.operator("STRIDED_SLICE", operands, _result(writer, operation), options("StridedSliceOptions"))


_WORDS: Mapping[type, Callable[[Writer, Operation], None]] = {
    kinds.Convolution: _convolution,
    kinds.DepthwiseConvolution: _depthwise,
    kinds.TransposeConvolution: _transpose_convolution,
    kinds.FullyConnected: _fully_connected,
    kinds.AveragePool: _pool("AVERAGE_POOL_2D", None),
    kinds.MaxPool: _pool("MAX_POOL_2D", _SMALLEST_INT8),
    kinds.Mean: _mean,
    kinds.Binary: _binary,
    kinds.Unary: _unary,
    kinds.ParametricRelu: _plain("PRELU"),
    kinds.ResizeNearest: _resize_nearest,
    kinds.ResizeBilinear: _resize_bilinear,
    kinds.Softmax: _softmax,
    kinds.Reshape: _reshape,
    kinds.Transpose: _transpose,
    kinds.Pad: _pad,
    kinds.Concatenate: _concatenate,
    kinds.Slice: _slice,
    kinds.Requantize: _plain("QUANTIZE", "QuantizeOptions"),
    kinds.Quantize: _plain("QUANTIZE", "QuantizeOptions"),
    kinds.Dequantize: _plain("DEQUANTIZE", "DequantizeOptions"),
}
KINDS = tuple(sorted(kind.__name__ for kind in _WORDS))
