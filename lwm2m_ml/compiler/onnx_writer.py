"""Writes a float graph as an ONNX file, images channels first, so that other tools can read what came of a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.frontends.layout import channels_first_order, channels_last_order, to_channels_first
from lwm2m_ml.compiler.ir import Array, DataType, Graph, Operation, Tensor, kinds
from lwm2m_ml.compiler.ir.kinds import Activation, BinaryFunction, Padding, UnaryFunction

OPSET = 17
_IR_VERSION = 9
# Tensors of fewer axes have one order only.
_ORDERED_RANK = 3


def write_onnx(graph: Graph, *, metadata: Mapping[str, str] | None = None) -> bytes:
    """The file; inputs and outputs keep names and shapes. Raises UnsupportedOperator for what ONNX has no word for."""
    if any(graph.tensor(name).dtype is not DataType.FLOAT32 for name in (*graph.inputs, *graph.outputs)):
        raise UnsupportedOperator("graph", "the model", why="it is quantised, and float32 is written only")
    writer = _Writer(graph)
    for name in graph.inputs:
        writer.begin(name)
    for operation in graph.operations:
        writer.visit(operation)
    for name in graph.outputs:
        writer.end(name)
    made = helper.make_graph(
        writer.nodes,
        "model",
        [_value(graph.tensor(name), name) for name in graph.inputs],
        [_value(graph.tensor(name), name) for name in graph.outputs],
        initializer=writer.constants,
    )
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION, producer_name="lwm2m-ml"
    )
    for key, value in sorted((metadata or {}).items()):
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _value(tensor: Tensor, name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(tensor.shape))


@dataclass(slots=True)
class _Writer:
    """Collects nodes. `names` gives the ONNX value that holds a tensor of the graph, channels first."""

    graph: Graph
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def begin(self, name: str) -> None:
        """An input comes in its own order."""
        rank = len(self.graph.tensor(name).shape)
        self.names[name] = self.transposed(name, channels_first_order(rank), f"{name}/first")

    def end(self, name: str) -> None:
        """An output leaves in its own order, under its own name."""
        if self.names[name] == name:
            return
        rank = len(self.graph.tensor(name).shape)
        order = channels_last_order(rank)
        operator, more = ("Identity", {}) if rank < _ORDERED_RANK else ("Transpose", {"perm": order})
        self.node(operator, [self.names[name]], name, **more)

    def visit(self, operation: Operation) -> None:
        """Write one operation and what is fused into it."""
        rule = _RULES.get(type(operation.kind))
        if rule is None:
            raise UnsupportedOperator(operation.kind_name, operation.name, why="it cannot be written as ONNX")
        result = rule(self, operation)
        activation = getattr(operation.kind, "activation", Activation.NONE)
        self.names[operation.output] = self.activated(result, activation)

    def value(self, operation: Operation) -> str:
        """The name of an operation's result before its activation; that of an output where nothing comes after."""
        plain = getattr(operation.kind, "activation", Activation.NONE) is Activation.NONE
        last = operation.output in self.graph.outputs and len(self.graph.result(operation).shape) < _ORDERED_RANK
        return operation.output if last and plain else f"{operation.output}/value"

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node; returns the name of its result."""
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: Array) -> str:
        """Add a constant."""
        self.constants.append(numpy_helper.from_array(numpy.ascontiguousarray(values), name))
        return name

    def operand(self, operation: Operation, place: int) -> str:
        """The ONNX value of an operand; constants are aligned with the result's axes."""
        tensor = self.graph.operands(operation)[place]
        if not tensor.is_constant:
            return self.names[tensor.name]
        rank = len(self.graph.result(operation).shape)
        aligned = tensor.values.reshape((1,) * (rank - tensor.values.ndim) + tensor.values.shape)
        return self.constant(f"{operation.output}/{place}", aligned.transpose(channels_first_order(rank)))

    def transposed(self, name: str, order: tuple[int, ...], output: str) -> str:
        """A value with its axes in another order."""
        return name if order == tuple(sorted(order)) else self.node("Transpose", [name], output, perm=order)

    def activated(self, name: str, activation: Activation) -> str:
        """A value after a fused activation."""
        if activation is Activation.NONE:
            return name
        if activation is Activation.RELU:
            return self.node("Relu", [name], f"{name}/relu")
        return self.clipped(name, activation)

    def clipped(self, name: str, activation: Activation) -> str:
        """A value limited to the bounds of an activation."""
        bounds = [
            self.constant(f"{name}/{side}", numpy.array(bound, numpy.float32))
            for side, bound in zip(("low", "high"), activation.bounds, strict=True)
        ]
        return self.node("Clip", [name, *bounds], f"{name}/clipped")


def _pads(padding: Padding) -> list[int]:
    return [padding.top, padding.left, padding.bottom, padding.right]


def _layer(writer: _Writer, operation: Operation, weights: Array, groups: int) -> str:
    kind: Any = operation.kind
    bias = writer.graph.operands(operation)[2].values
    constants = [
        writer.constant(f"{operation.output}/{name}", values) for name, values in (("w", weights), ("b", bias))
    ]
    return writer.node(
        "Conv",
        [writer.names[operation.inputs[0]], *constants],
        writer.value(operation),
        kernel_shape=weights.shape[2:],
        strides=kind.stride,
        dilations=kind.dilation,
        pads=_pads(kind.padding),
        group=groups,
    )


def _convolution(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    return _layer(writer, operation, writer.graph.operands(operation)[1].values.transpose(0, 3, 1, 2), kind.groups)


def _depthwise(writer: _Writer, operation: Operation) -> str:
    image, weights, _ = writer.graph.operands(operation)
    return _layer(writer, operation, weights.values.transpose(2, 0, 1)[:, None], image.shape[-1])


def _fully_connected(writer: _Writer, operation: Operation) -> str:
    constants = [
        writer.constant(f"{operation.output}/{place}", writer.graph.operands(operation)[place].values)
        for place in (1, 2)
    ]
    inputs = [writer.names[operation.inputs[0]], *constants]
    return writer.node("Gemm", inputs, writer.value(operation), transB=1)


def _pool(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    operator = "MaxPool" if isinstance(kind, kinds.MaxPool) else "AveragePool"
    return writer.node(
        operator,
        [writer.names[operation.inputs[0]]],
        writer.value(operation),
        kernel_shape=kind.window,
        strides=kind.stride,
        pads=_pads(kind.padding),
    )


def _mean(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    order = channels_first_order(len(writer.graph.result(operation).shape))
    axes = sorted(order.index(axis) for axis in kind.axes)
    return writer.node(
        "ReduceMean", [writer.names[operation.inputs[0]]], writer.value(operation), axes=axes, keepdims=1
    )


_BINARY = {
    BinaryFunction.ADD: "Add",
    BinaryFunction.SUBTRACT: "Sub",
    BinaryFunction.MULTIPLY: "Mul",
    BinaryFunction.MINIMUM: "Min",
    BinaryFunction.MAXIMUM: "Max",
}


def _binary(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    operands = [writer.operand(operation, place) for place in (0, 1)]
    return writer.node(_BINARY[kind.function], operands, writer.value(operation))


def _parametric_relu(writer: _Writer, operation: Operation) -> str:
    return writer.node("PRelu", [writer.operand(operation, place) for place in (0, 1)], writer.value(operation))


_UNARY: Mapping[UnaryFunction, tuple[str, Mapping[str, float]]] = {
    UnaryFunction.RELU: ("Relu", {}),
    UnaryFunction.LOGISTIC: ("Sigmoid", {}),
    UnaryFunction.TANH: ("Tanh", {}),
    UnaryFunction.HARD_SWISH: ("HardSwish", {}),
    UnaryFunction.HARD_SIGMOID: ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    UnaryFunction.ELU: ("Elu", {"alpha": 1.0}),
}
_CLIPS = {UnaryFunction.RELU6: Activation.RELU6, UnaryFunction.RELU_N1_TO_1: Activation.RELU_N1_TO_1}


def _unary(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    name, output = writer.names[operation.inputs[0]], writer.value(operation)
    if kind.function in _CLIPS:
        return writer.clipped(writer.node("Identity", [name], output), _CLIPS[kind.function])
    if kind.function is UnaryFunction.LEAKY_RELU:
        return writer.node("LeakyRelu", [name], output, alpha=kind.alpha)
    operator, attributes = _UNARY[kind.function]
    return writer.node(operator, [name], output, **attributes)


def _softmax(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    name, rank = writer.names[operation.inputs[0]], len(writer.graph.result(operation).shape)
    if kind.beta != 1.0:
        beta = writer.constant(f"{operation.output}/beta", numpy.full((1,) * rank, kind.beta, numpy.float32))
        name = writer.node("Mul", [name, beta], f"{operation.output}/scaled")
    axis = channels_first_order(rank).index(rank - 1)
    return writer.node("Softmax", [name], writer.value(operation), axis=axis)


def _reshape(writer: _Writer, operation: Operation) -> str:
    """The elements' order is that of the graph, so both sides are brought into it."""
    before = writer.graph.operands(operation)[0].shape
    after = writer.graph.result(operation).shape
    name, output = operation.inputs[0], operation.output
    plain = writer.transposed(writer.names[name], channels_last_order(len(before)), f"{output}/last")
    shape = writer.constant(f"{output}/shape", numpy.array(after, numpy.int64))
    reshaped = writer.node("Reshape", [plain, shape], writer.value(operation))
    return writer.transposed(reshaped, channels_first_order(len(after)), f"{output}/first")


def _transpose(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    rank = len(kind.permutation)
    first, last = channels_first_order(rank), channels_last_order(rank)
    order = tuple(last[kind.permutation[axis]] for axis in first)
    return writer.transposed(writer.names[operation.inputs[0]], order, writer.value(operation))


def _pad(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    amounts = (*to_channels_first(kind.before), *to_channels_first(kind.after))
    constants = [
        writer.constant(f"{operation.output}/pads", numpy.array(amounts, numpy.int64)),
        writer.constant(f"{operation.output}/filler", numpy.array(kind.value, numpy.float32)),
    ]
    return writer.node("Pad", [writer.names[operation.inputs[0]], *constants], writer.value(operation))


def _concatenate(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    axis = channels_first_order(len(writer.graph.result(operation).shape)).index(kind.axis)
    operands = [writer.operand(operation, place) for place in range(len(operation.inputs))]
    return writer.node("Concat", operands, writer.value(operation), axis=axis)


def _slice(writer: _Writer, operation: Operation) -> str:
    kind: Any = operation.kind
    begin, end, step = map(to_channels_first, (kind.begin, kind.end, kind.step))
    rows = {"begin": begin, "end": end, "axes": tuple(range(len(begin))), "step": step}
    constants = [
        writer.constant(f"{operation.output}/{name}", numpy.array(row, numpy.int64)) for name, row in rows.items()
    ]
    return writer.node("Slice", [writer.names[operation.inputs[0]], *constants], writer.value(operation))


_RULES: Mapping[type, Callable[[_Writer, Operation], str]] = {
    kinds.Convolution: _convolution,
    kinds.DepthwiseConvolution: _depthwise,
    kinds.FullyConnected: _fully_connected,
    kinds.MaxPool: _pool,
    kinds.AveragePool: _pool,
    kinds.Mean: _mean,
    kinds.Binary: _binary,
    kinds.ParametricRelu: _parametric_relu,
    kinds.Unary: _unary,
    kinds.Softmax: _softmax,
    kinds.Reshape: _reshape,
    kinds.Transpose: _transpose,
    kinds.Pad: _pad,
    kinds.Concatenate: _concatenate,
    kinds.Slice: _slice,
}
