"""What each kind of operation computes on float32."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from lwm2m_ml.compiler.ir import kinds
from lwm2m_ml.compiler.ir.kinds import Activation, BinaryFunction, UnaryFunction
from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm, SvdfResult, SvdfState
from lwm2m_ml.compiler.ir.signals import Spectrogram
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.ir.trees import TreeEnsemble
from lwm2m_ml.compiler.reference import movement, training
from lwm2m_ml.compiler.reference.lstm import gru_float, lstm_float
from lwm2m_ml.compiler.reference.resizing import bilinear, nearest
from lwm2m_ml.compiler.reference.spectrogram import spectrogram
from lwm2m_ml.compiler.reference.svdf import result_float, state_float
from lwm2m_ml.compiler.reference.transpose_convolution import transposed_sums
from lwm2m_ml.compiler.reference.trees import tree_ensemble
from lwm2m_ml.compiler.reference.windows import as_images, as_samples, pad_images, portions, sliding_windows


def _activate(values: Array, activation: Activation) -> Array:
    return values if activation is Activation.NONE else numpy.clip(values, *activation.bounds)


def _convolution(kind: kinds.Convolution, operands: Sequence[Array]) -> Array:
    image, weights, bias = operands[0], operands[1][0], operands[2][0]
    padded = pad_images(as_images(image), kind.padding, 0)
    windows = sliding_windows(padded, weights.shape[1:3], kind.stride, kind.dilation)
    results = []
    for part, filters in zip(
        numpy.split(windows, kind.groups, axis=-1), numpy.split(weights, kind.groups, axis=0), strict=True
    ):
        columns = filters.reshape(filters.shape[0], -1).T
        products = [part[:, rows].reshape(*part[:, rows].shape[:3], -1) @ columns for rows in portions(part)]
        results.append(numpy.concatenate(products, axis=1))
    return as_samples(_activate(numpy.concatenate(results, axis=-1) + bias, kind.activation), image.shape[1])


def _depthwise(kind: kinds.DepthwiseConvolution, operands: Sequence[Array]) -> Array:
    image, weights, bias = operands[0], operands[1][0], operands[2][0]
    multiplier = weights.shape[2] // image.shape[-1]
    padded = numpy.repeat(pad_images(as_images(image), kind.padding, 0), multiplier, axis=-1)
    windows = sliding_windows(padded, weights.shape[0:2], kind.stride, kind.dilation)
    result = numpy.einsum("bhwklc,klc->bhwc", windows, weights) + bias
    return as_samples(_activate(result, kind.activation), image.shape[1])


def _transpose_convolution(kind: kinds.TransposeConvolution, operands: Sequence[Array]) -> Array:
    sums = transposed_sums(kind, as_images(operands[0]), operands[1][0], operands[0].dtype) + operands[2][0]
    return as_samples(_activate(sums, kind.activation), operands[0].shape[1])


def _fully_connected(kind: kinds.FullyConnected, operands: Sequence[Array]) -> Array:
    rows, weights, bias = operands[0], operands[1][0], operands[2][0]
    return _activate(rows @ weights.T + bias, kind.activation)


def _average_pool(kind: kinds.AveragePool, operands: Sequence[Array]) -> Array:
    images = as_images(operands[0])
    windows = sliding_windows(pad_images(images, kind.padding, 0), kind.window, kind.stride)
    ones = pad_images(numpy.ones((1, *images.shape[1:3], 1), images.dtype), kind.padding, 0)
    counts = sliding_windows(ones, kind.window, kind.stride).sum(axis=(3, 4))
    return as_samples(_activate(windows.sum(axis=(3, 4)) / counts, kind.activation), operands[0].shape[1])


def _max_pool(kind: kinds.MaxPool, operands: Sequence[Array]) -> Array:
    padded = pad_images(as_images(operands[0]), kind.padding, -numpy.inf)
    windows = sliding_windows(padded, kind.window, kind.stride)
    return as_samples(_activate(windows.max(axis=(3, 4)), kind.activation), operands[0].shape[1])


def _mean(kind: kinds.Mean, operands: Sequence[Array]) -> Array:
    result: Array = operands[0].mean(axis=tuple(axis + 1 for axis in kind.axes), keepdims=True)
    return result


_BINARY: dict[BinaryFunction, Callable[[Array, Array], Array]] = {
    BinaryFunction.ADD: numpy.add,
    BinaryFunction.SUBTRACT: numpy.subtract,
    BinaryFunction.MULTIPLY: numpy.multiply,
    BinaryFunction.MINIMUM: numpy.minimum,
    BinaryFunction.MAXIMUM: numpy.maximum,
}


def _binary(kind: kinds.Binary, operands: Sequence[Array]) -> Array:
    return _activate(_BINARY[kind.function](*movement.align(operands)), kind.activation)


def unary_function(kind: kinds.Unary, values: Array) -> Array:
    """The elementwise function of a Unary, in the precision of the values."""
    return _UNARY[kind.function](values, kind.alpha)


def _logistic(values: Array) -> Array:
    # Two forms, so that no exponential overflows.
    small = numpy.exp(-numpy.abs(values))
    return numpy.where(values >= 0, 1 / (1 + small), small / (1 + small)).astype(values.dtype)


_UNARY: dict[UnaryFunction, Callable[[Array, float], Array]] = {
    UnaryFunction.RELU: lambda values, _: numpy.maximum(values, 0),
    UnaryFunction.RELU6: lambda values, _: numpy.clip(values, 0, 6),
    UnaryFunction.RELU_N1_TO_1: lambda values, _: numpy.clip(values, -1, 1),
    UnaryFunction.LEAKY_RELU: lambda values, alpha: numpy.where(values >= 0, values, values * values.dtype.type(alpha)),
    UnaryFunction.LOGISTIC: lambda values, _: _logistic(values),
    UnaryFunction.TANH: lambda values, _: numpy.tanh(values),
    UnaryFunction.HARD_SWISH: lambda values, _: values * numpy.clip(values + 3, 0, 6) / 6,
    UnaryFunction.HARD_SIGMOID: lambda values, _: numpy.clip(values / 6 + values.dtype.type(0.5), 0, 1),
    UnaryFunction.LOG: lambda values, alpha: numpy.log(numpy.maximum(values, values.dtype.type(alpha))),
    UnaryFunction.ELU: lambda values, _: numpy.where(values < 0, numpy.expm1(numpy.minimum(values, 0)), values),
}


def _parametric_relu(_kind: kinds.ParametricRelu, operands: Sequence[Array]) -> Array:
    values, slopes = movement.align(operands)
    return numpy.where(values >= 0, values, values * slopes)


def _on_images(function: Callable[[Any, Array], Array]) -> Callable[[Any, Sequence[Array]], Array]:
    return lambda kind, operands: as_samples(function(kind, as_images(operands[0])), operands[0].shape[1])


def _softmax(kind: kinds.Softmax, operands: Sequence[Array]) -> Array:
    shifted = numpy.exp(kind.beta * (operands[0] - operands[0].max(axis=-1, keepdims=True)))
    result: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def _batch_normalization(kind: kinds.BatchNormalization, operands: Sequence[Array]) -> Array:
    values, scale, offset, mean, variance = operands
    factor = (scale / numpy.sqrt(variance + kind.epsilon))[0]
    result: Array = (values - mean[0]) * factor + offset[0]
    return result.astype(values.dtype)


KERNELS: dict[type, Callable[[Any, Sequence[Array]], Array]] = {
    kinds.Convolution: _convolution,
    kinds.DepthwiseConvolution: _depthwise,
    kinds.TransposeConvolution: _transpose_convolution,
    kinds.FullyConnected: _fully_connected,
    kinds.AveragePool: _average_pool,
    kinds.MaxPool: _max_pool,
    kinds.Mean: _mean,
    kinds.Binary: _binary,
    kinds.Unary: lambda kind, operands: unary_function(kind, operands[0]),
    kinds.ParametricRelu: _parametric_relu,
    kinds.ResizeNearest: _on_images(nearest),
    kinds.ResizeBilinear: _on_images(bilinear),
    kinds.Softmax: _softmax,
    kinds.BatchNormalization: _batch_normalization,
    kinds.Reshape: movement.reshape,
    kinds.Transpose: movement.transpose,
    kinds.Pad: lambda kind, operands: movement.pad(kind, operands, kind.value),
    kinds.Concatenate: movement.concatenate,
    kinds.Slice: movement.cut,
    Lstm: lstm_float,
    Gru: gru_float,
    SvdfState: state_float,
    SvdfResult: result_float,
    TreeEnsemble: tree_ensemble,
    Spectrogram: spectrogram,
    kinds.Requantize: lambda kind, operands: operands[0],
    **training.KERNELS,
}
