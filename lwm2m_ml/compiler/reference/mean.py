"""Means over axes on int8, as TfLite's reference kernel (reduce.h, QuantizedMeanOrSum)."""

import math
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.arithmetic import clamp_int8, multiply, quantize_multiplier
from lwm2m_ml.compiler.ir import Graph, Operation
from lwm2m_ml.compiler.ir.kinds import Mean
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.requantization import scale_of, zero_point_of


@dataclass(frozen=True, slots=True)
class MeanParameters:
    """`offset` takes the zero points out of a sum; one multiplication, rounding twice, makes it a mean."""

    offset: int
    multiplier: int
    shift: int
    zero_point: int


def mean_parameters(graph: Graph, operation: Operation) -> MeanParameters:
    """The multiplier holds the division, with as many more bits as it can without leaving 32 bits."""
    kind = operation.kind
    assert isinstance(kind, Mean)  # noqa: S101 - callers dispatch on the kind
    (operand,) = graph.operands(operation)
    result = graph.result(operation)
    count = math.prod(operand.shape[axis] for axis in kind.axes)
    multiplier, shift = quantize_multiplier(scale_of(operand) / scale_of(result))
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return MeanParameters(
        -zero_point_of(operand) * count, (multiplier << bits) // count, shift - bits, zero_point_of(result)
    )


def mean_int8(graph: Graph, operation: Operation, values: Array) -> Array:
    """Means over the axes, which stay with length one; axis 0 counts samples."""
    kind = operation.kind
    assert isinstance(kind, Mean)  # noqa: S101 - callers dispatch on the kind
    parameters = mean_parameters(graph, operation)
    sums = values.astype(numpy.int64).sum(axis=tuple(axis + 1 for axis in kind.axes), keepdims=True)
    scaled = multiply(sums + parameters.offset, parameters.multiplier, parameters.shift)
    return clamp_int8(scaled + parameters.zero_point)
