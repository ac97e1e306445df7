"""What each kind of operation computes on int8, bit for bit as LiteRT's reference kernels do."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from lwm2m_ml.compiler.arithmetic import clamp_int8, round_half_away
from lwm2m_ml.compiler.ir import Graph, Operation, kinds
from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm, SvdfResult, SvdfState
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference import movement
from lwm2m_ml.compiler.reference.elementwise import add_parameters, integer_add, integer_multiply, unary_table
from lwm2m_ml.compiler.reference.gru import gru_int8
from lwm2m_ml.compiler.reference.lstm import lstm_int8
from lwm2m_ml.compiler.reference.mean import mean_int8
from lwm2m_ml.compiler.reference.parametric_relu import parametric_relu
from lwm2m_ml.compiler.reference.requantization import (
    layer_requantization,
    limits_of,
    scale_of,
    zero_point_of,
)
from lwm2m_ml.compiler.reference.resizing import bilinear_integer, nearest
from lwm2m_ml.compiler.reference.softmax import softmax_int8
from lwm2m_ml.compiler.reference.svdf import result_int8, state_int16
from lwm2m_ml.compiler.reference.transpose_convolution import transposed_sums
from lwm2m_ml.compiler.reference.windows import as_images, as_samples, pad_images, portions, sliding_windows

IntegerKernel = Callable[[Graph, Operation, Sequence[Array]], Array]


EXTREMES = {kinds.BinaryFunction.MINIMUM: numpy.minimum, kinds.BinaryFunction.MAXIMUM: numpy.maximum}


def exact_product(rows: Array, weights: Array) -> Array:
    """Rows times transposed weights, exactly, through floating point where all sums fit its mantissa."""
    most = 255 if rows.dtype == numpy.int16 and numpy.abs(rows).max(initial=0) <= 255 else 1 << 15
    largest = int(numpy.abs(weights.astype(numpy.int64)).sum(axis=1).max(initial=0)) * most
    dtype: Any = numpy.float32 if largest < 1 << 24 else numpy.float64
    product: Array = numpy.matmul(rows.astype(dtype), weights.astype(dtype).T)
    return product.astype(numpy.int64)


def _convolution(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    kind: Any = operation.kind
    image, weights, bias = operands[0], operands[1][0], operands[2][0]
    centred = as_images(image).astype(numpy.int16) - zero_point_of(graph.operands(operation)[0])
    windows = sliding_windows(pad_images(centred, kind.padding, 0), weights.shape[1:3], kind.stride, kind.dilation)
    results = []
    for part, filters in zip(
        numpy.split(windows, kind.groups, axis=-1), numpy.split(weights, kind.groups, axis=0), strict=True
    ):
        products = []
        for rows in portions(part):
            columns = part[:, rows].reshape(-1, filters[0].size)
            sums = exact_product(columns, filters.reshape(filters.shape[0], -1))
            products.append(sums.reshape(*part[:, rows].shape[:3], -1))
        results.append(numpy.concatenate(products, axis=1))
    sums = numpy.concatenate(results, axis=-1) + bias.astype(numpy.int64)
    return as_samples(layer_requantization(graph, operation).apply(sums), image.shape[1])


def _depthwise(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    kind: Any = operation.kind
    image, weights, bias = operands[0], operands[1][0].astype(numpy.int32), operands[2][0]
    multiplier = weights.shape[2] // image.shape[-1]
    centred = as_images(image).astype(numpy.int32) - zero_point_of(graph.operands(operation)[0])
    padded = numpy.repeat(pad_images(centred, kind.padding, 0), multiplier, axis=-1)
    windows = sliding_windows(padded, weights.shape[0:2], kind.stride, kind.dilation)
    sums = numpy.broadcast_to(bias.astype(numpy.int64), (*windows.shape[:3], weights.shape[2])).copy()
    for row in range(weights.shape[0]):
        for column in range(weights.shape[1]):
            sums += windows[:, :, :, row, column, :] * weights[row, column]
    return as_samples(layer_requantization(graph, operation).apply(sums), image.shape[1])


def _transpose_convolution(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    kind: Any = operation.kind
    image, weights, bias = operands[0], operands[1][0], operands[2][0]
    centred = as_images(image).astype(numpy.int64) - zero_point_of(graph.operands(operation)[0])
    sums = transposed_sums(kind, centred, weights, numpy.float64).astype(numpy.int64) + bias.astype(numpy.int64)
    return as_samples(layer_requantization(graph, operation).apply(sums), image.shape[1])


def _fully_connected(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    rows, weights, bias = operands[0], operands[1][0], operands[2][0]
    centred = rows.astype(numpy.int16) - zero_point_of(graph.operands(operation)[0])
    sums = exact_product(centred.reshape(-1, centred.shape[-1]), weights) + bias.astype(numpy.int64)
    return layer_requantization(graph, operation).apply(sums).reshape(*rows.shape[:-1], weights.shape[0])


def divide_rounding(sums: Array, counts: Array | int) -> Array:
    """Division rounding to nearest, halves away from zero, as C's integer division makes it."""
    numerators = numpy.abs(sums) + numpy.asarray(counts) // 2
    quotients: Array = numpy.sign(sums) * (numerators // counts)
    return quotients


def _average_pool(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    kind: Any = operation.kind
    images = as_images(operands[0]).astype(numpy.int64)
    windows = sliding_windows(pad_images(images, kind.padding, 0), kind.window, kind.stride)
    ones = pad_images(numpy.ones((1, *images.shape[1:3], 1), numpy.int64), kind.padding, 0)
    counts = sliding_windows(ones, kind.window, kind.stride).sum(axis=(3, 4))
    means = divide_rounding(windows.sum(axis=(3, 4)), counts)
    limits = limits_of(graph.result(operation), kind.activation)
    return as_samples(clamp_int8(means, *limits), operands[0].shape[1])


def _max_pool(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    kind: Any = operation.kind
    padded = pad_images(as_images(operands[0]), kind.padding, -128)
    windows = sliding_windows(padded, kind.window, kind.stride)
    limits = limits_of(graph.result(operation), kind.activation)
    return as_samples(clamp_int8(windows.max(axis=(3, 4)), *limits), operands[0].shape[1])


def _binary(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    kind: Any = operation.kind
    left, right = movement.align(operands)
    if kind.function in EXTREMES:
        limits = limits_of(graph.result(operation), kind.activation)
        return clamp_int8(EXTREMES[kind.function](left, right), *limits)
    if kind.function is kinds.BinaryFunction.MULTIPLY:
        return integer_multiply(graph, operation, left, right)
    return integer_add(add_parameters(graph, operation), left, right)


def _unary(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    table = unary_table(graph, operation)
    return table[operands[0].astype(numpy.int16) + 128]


def _parametric_relu(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    return parametric_relu(graph, operation, *movement.align(operands))


def _mean(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    return mean_int8(graph, operation, operands[0])


def _resize_nearest(_: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    kind: Any = operation.kind
    return as_samples(nearest(kind, as_images(operands[0])), operands[0].shape[1])


def _resize_bilinear(_: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    kind: Any = operation.kind
    return as_samples(bilinear_integer(kind, as_images(operands[0])), operands[0].shape[1])


def _quantize(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    result = graph.result(operation)
    scaled = operands[0].astype(numpy.float32) / numpy.float32(scale_of(result))
    return clamp_int8(numpy.nan_to_num(round_half_away(scaled)).astype(numpy.float64) + zero_point_of(result))


def _softmax(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    kind: Any = operation.kind
    return softmax_int8(operands[0], scale_of(graph.operands(operation)[0]), kind.beta)


def _pad(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    return movement.pad(operation.kind, operands, pad_value(graph, operation))  # type: ignore[arg-type]


def pad_value(graph: Graph, operation: Operation) -> int:
    """The int8 value that a Pad adds."""
    kind: Any = operation.kind
    result = graph.result(operation)
    return int(numpy.clip(round(kind.value / scale_of(result)) + zero_point_of(result), -128, 127))


KERNELS: dict[type, IntegerKernel] = {
    kinds.Convolution: _convolution,
    kinds.DepthwiseConvolution: _depthwise,
    kinds.TransposeConvolution: _transpose_convolution,
    kinds.FullyConnected: _fully_connected,
    kinds.AveragePool: _average_pool,
    kinds.MaxPool: _max_pool,
    kinds.Binary: _binary,
    kinds.Unary: _unary,
    kinds.Requantize: _unary,
    kinds.Quantize: _quantize,
    kinds.ParametricRelu: _parametric_relu,
    kinds.Mean: _mean,
    kinds.ResizeNearest: _resize_nearest,
    kinds.ResizeBilinear: _resize_bilinear,
    kinds.Softmax: _softmax,
    kinds.Reshape: lambda _, operation, operands: movement.reshape(operation.kind, operands),  # type: ignore[arg-type]
    kinds.Transpose: lambda _, operation, operands: movement.transpose(operation.kind, operands),  # type: ignore[arg-type]
    kinds.Pad: _pad,
    kinds.Concatenate: lambda _, operation, operands: movement.concatenate(operation.kind, operands),  # type: ignore[arg-type]
    Lstm: lstm_int8,
    Gru: gru_int8,
    SvdfState: state_int16,
    SvdfResult: result_int8,
    kinds.Slice: lambda _, operation, operands: movement.cut(operation.kind, operands),  # type: ignore[arg-type]
}
