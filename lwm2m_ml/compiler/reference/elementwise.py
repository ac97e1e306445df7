"""Elementwise int8 arithmetic of the reference kernels: add, subtract, multiply, tables of one-operand functions."""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.arithmetic import clamp_int8, multiply, quantize_multiplier, quantize_values
from lwm2m_ml.compiler.ir import Graph, Operation, kinds
from lwm2m_ml.compiler.ir.kinds import BinaryFunction, UnaryFunction
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.float_kernels import unary_function
from lwm2m_ml.compiler.reference.hard_swish import hard_swish
from lwm2m_ml.compiler.reference.requantization import limits_of, scale_of, zero_point_of

ADD_LEFT_SHIFT = 20


@dataclass(frozen=True, slots=True)
class AddParameters:
    """Fixed-point parameters of an addition: (offset, multiplier, shift) per operand and for the result."""

    left: tuple[int, int, int]
    right: tuple[int, int, int]
    result: tuple[int, int, int]
    low: int
    high: int


def add_parameters(graph: Graph, operation: Operation) -> AddParameters:
    """The parameters of an addition or subtraction, as in TfLite's add.cc and sub.cc."""
    kind = operation.kind
    assert isinstance(kind, kinds.Binary)  # noqa: S101 - callers dispatch on the kind
    left, right = graph.operands(operation)
    result = graph.result(operation)
    twice = 2.0 * max(scale_of(left), scale_of(right))
    left_multiplier = quantize_multiplier(scale_of(left) / twice)
    right_multiplier, right_shift = quantize_multiplier(scale_of(right) / twice)
    if kind.function is BinaryFunction.SUBTRACT:
        right_multiplier = -right_multiplier
    result_multiplier = quantize_multiplier(twice / ((1 << ADD_LEFT_SHIFT) * scale_of(result)))
    low, high = limits_of(result, kind.activation)
    return AddParameters(
        (-zero_point_of(left), *left_multiplier),
        (-zero_point_of(right), right_multiplier, right_shift),
        (zero_point_of(result), *result_multiplier),
        low,
        high,
    )


def integer_add(parameters: AddParameters, left: Array, right: Array) -> Array:
    """Both operands brought to one fine scale, added, and brought to the result's."""
    terms = [
        multiply((values.astype(numpy.int64) + offset) << ADD_LEFT_SHIFT, multiplier, shift)
        for values, (offset, multiplier, shift) in ((left, parameters.left), (right, parameters.right))
    ]
    zero_point, multiplier, shift = parameters.result
    return clamp_int8(multiply(terms[0] + terms[1], multiplier, shift) + zero_point, parameters.low, parameters.high)


def integer_multiply(graph: Graph, operation: Operation, left: Array, right: Array) -> Array:
    """The product of both operands, rescaled once."""
    kind = operation.kind
    assert isinstance(kind, kinds.Binary)  # noqa: S101 - callers dispatch on the kind
    first, second = graph.operands(operation)
    result = graph.result(operation)
    multiplier, shift = quantize_multiplier(scale_of(first) * scale_of(second) / scale_of(result))
    product = (left.astype(numpy.int64) - zero_point_of(first)) * (right.astype(numpy.int64) - zero_point_of(second))
    scaled = multiply(product, multiplier, shift) + zero_point_of(result)
    return clamp_int8(scaled, *limits_of(result, kind.activation))


_CLAMPS = {
    UnaryFunction.RELU: kinds.Activation.RELU,
    UnaryFunction.RELU6: kinds.Activation.RELU6,
    UnaryFunction.RELU_N1_TO_1: kinds.Activation.RELU_N1_TO_1,
}


def unary_table(graph: Graph, operation: Operation) -> NDArray[numpy.int8]:
    """The result for each of the 256 codes from -128 to 127."""
    (operand,) = graph.operands(operation)
    result = graph.result(operation)
    codes = numpy.arange(-128, 128, dtype=numpy.int64) - zero_point_of(operand)
    kind = operation.kind
    if isinstance(kind, kinds.Requantize) or (isinstance(kind, kinds.Unary) and kind.function in _CLAMPS):
        multiplier, shift = quantize_multiplier(scale_of(operand) / scale_of(result))
        activation = _CLAMPS[kind.function] if isinstance(kind, kinds.Unary) else kinds.Activation.NONE
        scaled = multiply(codes, multiplier, shift) + zero_point_of(result)
        return clamp_int8(scaled, *limits_of(result, activation))
    assert isinstance(kind, kinds.Unary)  # noqa: S101 - callers dispatch on the kind
    if kind.function is UnaryFunction.LEAKY_RELU:
        return _leaky(codes, scale_of(operand), scale_of(result), zero_point_of(result), kind.alpha)
    if kind.function is UnaryFunction.HARD_SWISH:
        return hard_swish(codes, scale_of(operand), scale_of(result), zero_point_of(result))
    reals = (codes * numpy.float32(scale_of(operand))).astype(numpy.float32)
    return quantize_values(unary_function(kind, reals), scale_of(result), zero_point_of(result))


def _leaky(codes: Array, scale: float, result_scale: float, zero_point: int, alpha: float) -> NDArray[numpy.int8]:
    above = multiply(codes, *quantize_multiplier(scale / result_scale))
    below = multiply(codes, *quantize_multiplier(scale * float(numpy.float32(alpha)) / result_scale))
    return clamp_int8(numpy.where(codes >= 0, above, below) + zero_point)
