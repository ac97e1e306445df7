"""A float graph as a function of TensorFlow, its weights as variables: what is trained is the graph itself.

Imported in the training process only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.ir import Graph, Operation, Quantization, kinds
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.ir.kinds import Activation, BinaryFunction, Padding, UnaryFunction

_Values = list[Any]


@dataclass(frozen=True, slots=True)
class Rounding:
    """What training feels of integers: the codes of activations, and the largest code of each layer's weights.

    Both by the name of a result; a tensor or layer that is not named is not rounded.
    """

    activations: Mapping[str, Quantization]
    largest_codes: Mapping[str, int]


class TrainableGraph:
    """The graph's constants as variables, and its answers for a batch."""

    def __init__(self, graph: Graph) -> None:
        for operation in graph.operations:
            if type(operation.kind) not in _RULES:
                raise UnsupportedOperator(operation.kind_name, operation.name, why="it cannot be trained here")
        self._graph = graph
        used = dict.fromkeys(name for operation in graph.operations for name in operation.inputs)
        constants = [graph.tensor(name) for name in used if graph.tensor(name).is_constant]
        self._variables = {tensor.name: tf.Variable(tensor.values, trainable=True) for tensor in constants}

    @property
    def variables(self) -> list[tf.Variable]:
        """What is trained."""
        return list(self._variables.values())

    def trained(self) -> Graph:
        """The graph with the present values of its constants."""
        return self._graph.with_tensors(
            constant_tensor(name, variable.numpy()) for name, variable in self._variables.items()
        )

    def scores(self, samples: tf.Tensor, rounding: Rounding | None = None) -> tf.Tensor:
        """The answers (batch, classes) before a softmax at the end, for samples (batch, *shape of one)."""
        values: dict[str, Any] = {self._graph.inputs[0]: self._rounded(self._graph.inputs[0], samples, rounding)}
        operations = self._graph.operations
        if isinstance(operations[-1].kind, kinds.Softmax):
            operations = operations[:-1]
        for operation in operations:
            operands = [self._operand(operation, place, values, rounding) for place in range(len(operation.inputs))]
            result = _RULES[type(operation.kind)](operation, operands)
            activation = getattr(operation.kind, "activation", Activation.NONE)
            values[operation.output] = self._rounded(operation.output, _activated(result, activation), rounding)
        last = values[operations[-1].output]
        return tf.reshape(last, (tf.shape(samples)[0], -1))

    def _operand(self, operation: Operation, place: int, values: Mapping[str, Any], rounding: Rounding | None) -> Any:
        name = operation.inputs[place]
        if name not in self._variables:
            return values[name]
        variable = self._variables[name]
        if rounding is None or place != 1 or operation.output not in rounding.largest_codes:
            return variable
        return _coarse(variable, kinds.OUTPUT_AXIS[type(operation.kind)], rounding.largest_codes[operation.output])

    def _rounded(self, name: str, value: Any, rounding: Rounding | None) -> Any:
        quantization = rounding.activations.get(name) if rounding is not None else None
        if quantization is None:
            return value
        low = (-128 - quantization.zero_point) * quantization.scale
        high = (127 - quantization.zero_point) * quantization.scale
        return tf.quantization.fake_quant_with_min_max_args(value, low, high, num_bits=8)


def _coarse(weights: Any, axis: int, largest: int) -> Any:
    """Weights as their codes would have them; gradients pass as if nothing had been rounded."""
    others = [index for index in range(len(weights.shape)) if index != axis]
    scales = tf.maximum(tf.reduce_max(tf.abs(weights), axis=others, keepdims=True), 1e-9) / largest
    scales = tf.stop_gradient(scales)
    return weights + tf.stop_gradient(tf.round(weights / scales) * scales - weights)


def _activated(value: Any, activation: Activation) -> Any:
    if activation is Activation.NONE:
        return value
    low, high = activation.bounds
    return tf.nn.relu(value) if high == float("inf") else tf.clip_by_value(value, low, high)


def _around(padding: Padding) -> list[list[int]]:
    return [[0, 0], [padding.top, padding.bottom], [padding.left, padding.right], [0, 0]]


def _convolution(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    image, weights, bias = values
    filters = tf.transpose(weights, (1, 2, 3, 0))
    return tf.nn.conv2d(image, filters, [1, *kind.stride, 1], _around(kind.padding), dilations=kind.dilation) + bias


def _depthwise(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    image, weights, bias = values
    channels = image.shape[-1]
    filters = tf.reshape(weights, (*weights.shape[:2], channels, weights.shape[2] // channels))
    # Explicit paddings and dilation do not go together in TensorFlow's depthwise convolution.
    padded = tf.pad(image, _around(kind.padding))
    if kind.stride[0] == kind.stride[1]:
        return tf.nn.depthwise_conv2d(padded, filters, [1, *kind.stride, 1], "VALID", dilations=kind.dilation) + bias
    whole = tf.nn.depthwise_conv2d(padded, filters, [1, 1, 1, 1], "VALID", dilations=kind.dilation) + bias
    return whole[:, :: kind.stride[0], :: kind.stride[1]]


def _fully_connected(_operation: Operation, values: _Values) -> Any:
    rows, weights, bias = values
    return tf.linalg.matmul(rows, weights, transpose_b=True) + bias


def _max_pool(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    padded = tf.pad(values[0], _around(kind.padding), constant_values=-1e30)
    return tf.nn.max_pool2d(padded, kind.window, kind.stride, "VALID")


def _average_pool(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind

    def sums(images: Any) -> Any:
        return tf.nn.avg_pool2d(tf.pad(images, _around(kind.padding)), kind.window, kind.stride, "VALID")

    return sums(values[0]) / sums(tf.ones_like(values[0]))


def _mean(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    return tf.reduce_mean(values[0], axis=list(kind.axes), keepdims=True)


_BINARY: Mapping[BinaryFunction, Callable[[Any, Any], Any]] = {
    BinaryFunction.ADD: tf.add,
    BinaryFunction.SUBTRACT: tf.subtract,
    BinaryFunction.MULTIPLY: tf.multiply,
    BinaryFunction.MINIMUM: tf.minimum,
    BinaryFunction.MAXIMUM: tf.maximum,
}


def _binary(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    return _BINARY[kind.function](*values)


def _unary(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    return _UNARY[kind.function](values[0], kind.alpha)


_UNARY: Mapping[UnaryFunction, Callable[[Any, float], Any]] = {
    UnaryFunction.RELU: lambda value, _: tf.nn.relu(value),
    UnaryFunction.RELU6: lambda value, _: tf.clip_by_value(value, 0.0, 6.0),
    UnaryFunction.RELU_N1_TO_1: lambda value, _: tf.clip_by_value(value, -1.0, 1.0),
    UnaryFunction.LEAKY_RELU: tf.nn.leaky_relu,
    UnaryFunction.LOGISTIC: lambda value, _: tf.sigmoid(value),
    UnaryFunction.TANH: lambda value, _: tf.tanh(value),
    UnaryFunction.HARD_SWISH: lambda value, _: value * tf.clip_by_value(value + 3.0, 0.0, 6.0) / 6.0,
    UnaryFunction.HARD_SIGMOID: lambda value, _: tf.clip_by_value(value / 6.0 + 0.5, 0.0, 1.0),
    UnaryFunction.ELU: lambda value, _: tf.nn.elu(value),
}


def _softmax(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    return tf.nn.softmax(values[0] * kind.beta)


def _reshape(operation: Operation, values: _Values) -> Any:
    """The first axis is the batch: one in the graph, any number here."""
    kind: Any = operation.kind
    if kind.shape[0] != 1:
        raise UnsupportedOperator("Reshape", operation.name, why="samples of a batch would mix")
    return tf.reshape(values[0], (-1, *kind.shape[1:]))


def _transpose(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    return tf.transpose(values[0], kind.permutation)


def _pad(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    return tf.pad(values[0], list(zip(kind.before, kind.after, strict=True)), constant_values=kind.value)


def _concatenate(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    return tf.concat(values, kind.axis)


def _slice(operation: Operation, values: _Values) -> Any:
    kind: Any = operation.kind
    ranges = [slice(*bounds) for bounds in zip(kind.begin[1:], kind.end[1:], kind.step[1:], strict=True)]
    return values[0][(slice(None), *ranges)]


_RULES: Mapping[type, Callable[[Operation, _Values], Any]] = {
    kinds.Convolution: _convolution,
    kinds.DepthwiseConvolution: _depthwise,
    kinds.FullyConnected: _fully_connected,
    kinds.MaxPool: _max_pool,
    kinds.AveragePool: _average_pool,
    kinds.Mean: _mean,
    kinds.Binary: _binary,
    kinds.Unary: _unary,
    kinds.Softmax: _softmax,
    kinds.Reshape: _reshape,
    kinds.Transpose: _transpose,
    kinds.Pad: _pad,
    kinds.Concatenate: _concatenate,
    kinds.Slice: _slice,
}
