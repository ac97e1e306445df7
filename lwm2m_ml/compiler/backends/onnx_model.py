"""Writes a graph as ONNX, for compilers that do not read the compiler's own: each operation between its scales.

Inputs and outputs keep their types; between them every operation computes on real numbers, dequantised before it and
quantised after it. Images are turned to channels first around the operations that want them so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy

from lwm2m_ml.compiler.ir import Array, DataType, Graph, Operation, Quantization, Tensor, kinds
from lwm2m_ml.compiler.ir.kinds import Activation, BinaryFunction, Padding, UnaryFunction

OPSET = 17
_IR_VERSION = 8
_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


class _NoWord(Exception):
    """ONNX has no operator for an operation."""


def onnx_model(graph: Graph) -> bytes:
    """The graph as an ONNX file; empty when it holds an operation that ONNX has no word for."""
    writer = _Writer(graph)
    try:
        for operation in graph.operations:
            writer.write(operation)
    except _NoWord:
        return b""
    return writer.finish()


@dataclass(slots=True)
class _Writer:
    """The nodes and constants of a file in the making. Names are ours, but for inputs and outputs."""

    graph: Graph
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names.update((name, name) for name in (*self.graph.inputs, *self.graph.outputs))

    def write(self, operation: Operation) -> None:
        """Add the nodes of one operation."""
        say = _WORDS.get(type(operation.kind))
        if say is None:
            raise _NoWord
        result = self.graph.result(operation)
        answer = say(self, operation)
        activation = getattr(operation.kind, "activation", Activation.NONE)
        if activation is not Activation.NONE:
            answer = self.clip(answer, activation)
        self.quantize(answer, result)

    def finish(self) -> bytes:
        """The file."""
        from onnx import helper  # noqa: PLC0415 - only for backends that want ONNX

        graph = helper.make_graph(
            self.nodes,
            "model",
            [self._border(name) for name in self.graph.inputs],
            [self._border(name) for name in self.graph.outputs],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _border(self, name: str) -> Any:
        from onnx import helper  # noqa: PLC0415

        tensor = self.graph.tensor(name)
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(tensor.dtype.numpy), tensor.shape)

    def node(self, operator: str, inputs: list[str], result: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its result."""
        from onnx import helper  # noqa: PLC0415

        name = result or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, values: Any) -> str:
        """Add a constant; returns its name."""
        from onnx import numpy_helper  # noqa: PLC0415

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(numpy.ascontiguousarray(values), name))
        return name

    def real(self, tensor: Tensor) -> str:
        """The name of a tensor's real values."""
        return self._real(tensor, tensor.values if tensor.is_constant else None, tensor.quantization)

    def weights(self, tensor: Tensor, data: Array, axis: int) -> str:
        """The name of the real values of weights that were turned round, scales along `axis`."""
        quantization = tensor.quantization
        if quantization is not None:
            quantization = Quantization(quantization.scales, quantization.zero_points, axis)
        return self._real(tensor, data, quantization)

    def bias(self, operation: Operation) -> str:
        """The name of the real values of a layer's bias, whose scale is that of operand times weights."""
        operand, weights, bias = self.graph.operands(operation)
        if bias.dtype is DataType.FLOAT32 or operand.quantization is None or weights.quantization is None:
            return self.constant(bias.values)
        scales = tuple(operand.quantization.scale * scale for scale in weights.quantization.scales)
        return self._real(bias, bias.values, Quantization(scales, (0,) * len(scales), 0))

    def _real(self, tensor: Tensor, data: Array | None, quantization: Quantization | None) -> str:
        name = self.names[tensor.name] if data is None else self.constant(data)
        if tensor.dtype is DataType.FLOAT32 or quantization is None:
            return name
        return self.node("DequantizeLinear", [name, *self._scales(tensor, quantization)], **_axis(quantization))

    def quantize(self, name: str, result: Tensor) -> None:
        """Make a real value the result of an operation."""
        written = self.names.setdefault(result.name, f"t{len(self.names)}")
        if result.dtype is DataType.FLOAT32 or result.quantization is None:
            self.node("Identity", [name], written)
            return
        self.node("QuantizeLinear", [name, *self._scales(result, result.quantization)], written)

    def _scales(self, tensor: Tensor, quantization: Quantization) -> list[str]:
        if len(quantization.scales) == 1:
            scale: Any = numpy.float32(quantization.scale)
            return [self.constant(scale), self.constant(numpy.array(quantization.zero_point, tensor.dtype.numpy))]
        scales = numpy.array(quantization.scales, numpy.float32)
        return [self.constant(scales), self.constant(numpy.array(quantization.zero_points, tensor.dtype.numpy))]

    def clip(self, name: str, activation: Activation) -> str:
        """The name of a value within the bounds of an activation."""
        if activation is Activation.RELU:
            return self.node("Relu", [name])
        return self.node("Clip", [name, *(self.constant(numpy.float32(bound)) for bound in activation.bounds)])

    def channels_first(self, operation: Operation) -> str:
        """The name of an operation's image, turned round."""
        image = self.real(self.graph.operands(operation)[0])
        return self.node("Transpose", [image], perm=_TO_CHANNELS_FIRST)

    def channels_last(self, name: str) -> str:
        """The name of an image, turned back."""
        return self.node("Transpose", [name], perm=_TO_CHANNELS_LAST)


def _axis(quantization: Quantization) -> dict[str, Any]:
    return {"axis": quantization.axis or 0} if len(quantization.scales) > 1 else {}


def _pads(padding: Padding) -> list[int]:
    return [padding.top, padding.left, padding.bottom, padding.right]


def _convolution(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    weights = writer.graph.operands(operation)[1]
    filters = writer.weights(weights, weights.values.transpose(0, 3, 1, 2), 0)
    operands = [writer.channels_first(operation), filters, writer.bias(operation)]
    windows = {"strides": kind.stride, "dilations": kind.dilation, "pads": _pads(kind.padding), "group": kind.groups}
    return writer.channels_last(writer.node("Conv", operands, **windows))


def _depthwise(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    image, weights, _ = writer.graph.operands(operation)
    filters = writer.weights(weights, weights.values.transpose(2, 0, 1)[:, None], 0)
    operands = [writer.channels_first(operation), filters, writer.bias(operation)]
    windows = {"strides": kind.stride, "dilations": kind.dilation, "pads": _pads(kind.padding)}
    return writer.channels_last(writer.node("Conv", operands, group=image.shape[3], **windows))


def _transpose_convolution(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    image, weights, _ = writer.graph.operands(operation)
    filters = writer.weights(weights, weights.values.transpose(3, 0, 1, 2), 1)
    operands = [writer.channels_first(operation), filters, writer.bias(operation)]
    sides = ((kind.padding.top, kind.padding.bottom), (kind.padding.left, kind.padding.right))
    missing = [
        kind.size[axis] - (kind.stride[axis] * (image.shape[axis + 1] - 1) + weights.shape[axis + 1] - sum(sides[axis]))
        for axis in (0, 1)
    ]
    windows = {"strides": kind.stride, "pads": _pads(kind.padding), "output_padding": missing}
    return writer.channels_last(writer.node("ConvTranspose", operands, **windows))


def _fully_connected(writer: _Writer, operation: Operation) -> str:
    rows, weights, _ = writer.graph.operands(operation)
    if len(rows.shape) == 2:
        operands = [writer.real(rows), writer.real(weights), writer.bias(operation)]
        return writer.node("Gemm", operands, transB=1)
    columns = writer.weights(weights, weights.values.T, 1)
    return writer.node("Add", [writer.node("MatMul", [writer.real(rows), columns]), writer.bias(operation)])


def _pool(operator: str, **attributes: Any) -> Callable[[_Writer, Operation], str]:
    def say(writer: _Writer, operation: Operation) -> str:
        kind: Any = operation.kind
        windows = {"kernel_shape": kind.window, "strides": kind.stride, "pads": _pads(kind.padding)}
        image = writer.channels_first(operation)
        return writer.channels_last(writer.node(operator, [image], **windows, **attributes))

    return say


def _mean(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    return writer.node("ReduceMean", _reals(writer, operation), axes=kind.axes, keepdims=1)


def _reals(writer: _Writer, operation: Operation) -> list[str]:
    return [writer.real(tensor) for tensor in writer.graph.operands(operation)]


_BINARY = {
    BinaryFunction.ADD: "Add",
    BinaryFunction.SUBTRACT: "Sub",
    BinaryFunction.MULTIPLY: "Mul",
    BinaryFunction.MINIMUM: "Min",
    BinaryFunction.MAXIMUM: "Max",
}
_UNARY = {
    UnaryFunction.LOGISTIC: "Sigmoid",
    UnaryFunction.TANH: "Tanh",
    UnaryFunction.HARD_SWISH: "HardSwish",
    UnaryFunction.ELU: "Elu",
}
_CLIPS = {
    UnaryFunction.RELU: Activation.RELU,
    UnaryFunction.RELU6: Activation.RELU6,
    UnaryFunction.RELU_N1_TO_1: Activation.RELU_N1_TO_1,
}


def _binary(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    return writer.node(_BINARY[kind.function], _reals(writer, operation))


def _unary(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    (name,) = _reals(writer, operation)
    if kind.function in _CLIPS:
        return writer.clip(name, _CLIPS[kind.function])
    if kind.function is UnaryFunction.LEAKY_RELU:
        return writer.node("LeakyRelu", [name], alpha=kind.alpha)
    if kind.function is UnaryFunction.HARD_SIGMOID:
        return writer.node("HardSigmoid", [name], alpha=1 / 6, beta=0.5)
    return writer.node(_UNARY[kind.function], [name])


def _plain(operator: str) -> Callable[[_Writer, Operation], str]:
    return lambda writer, operation: writer.node(operator, _reals(writer, operation))


def _same(writer: _Writer, operation: Operation) -> str:
    return _reals(writer, operation)[0]


def _softmax(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    (name,) = _reals(writer, operation)
    if kind.beta != 1:
        name = writer.node("Mul", [name, writer.constant(numpy.float32(kind.beta))])
    return writer.node("Softmax", [name], axis=-1)


def _integers(writer: _Writer, values: Any) -> str:
    return writer.constant(numpy.asarray(values, numpy.int64))


def _resize_nearest(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    rows = writer.node("Gather", [*_reals(writer, operation), _integers(writer, kind.rows)], axis=1)
    return writer.node("Gather", [rows, _integers(writer, kind.columns)], axis=2)


def _reshape(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    return writer.node("Reshape", [*_reals(writer, operation), _integers(writer, kind.shape)])


def _transpose(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    return writer.node("Transpose", _reals(writer, operation), perm=kind.permutation)


def _pad(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    sides = _integers(writer, (*kind.before, *kind.after))
    return writer.node("Pad", [*_reals(writer, operation), sides, writer.constant(numpy.float32(kind.value))])


def _concatenate(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    return writer.node("Concat", _reals(writer, operation), axis=kind.axis)


def _slice(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    bounds = [_integers(writer, values) for values in (kind.begin, kind.end, range(len(kind.begin)), kind.step)]
    return writer.node("Slice", [*_reals(writer, operation), *bounds])


_WORDS: Mapping[type, Callable[[_Writer, Operation], str]] = {
    kinds.Convolution: _convolution,
    kinds.DepthwiseConvolution: _depthwise,
    kinds.TransposeConvolution: _transpose_convolution,
    kinds.FullyConnected: _fully_connected,
    kinds.AveragePool: _pool("AveragePool", count_include_pad=0),
    kinds.MaxPool: _pool("MaxPool"),
    kinds.Mean: _mean,
    kinds.Binary: _binary,
    kinds.Unary: _unary,
    kinds.ParametricRelu: _plain("PRelu"),
    kinds.ResizeNearest: _resize_nearest,
    kinds.Softmax: _softmax,
    kinds.Reshape: _reshape,
    kinds.Transpose: _transpose,
    kinds.Pad: _pad,
    kinds.Concatenate: _concatenate,
    kinds.Slice: _slice,
    kinds.Requantize: _same,
    kinds.Quantize: _same,
    kinds.Dequantize: _same,
}
