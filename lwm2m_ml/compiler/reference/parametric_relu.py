"""The rectifier with a slope per element on int8, as TfLite's reference kernel (prelu.h)."""

import numpy

from lwm2m_ml.compiler.arithmetic import clamp_int8, multiply, quantize_multiplier
from lwm2m_ml.compiler.ir import Graph, Operation
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.requantization import scale_of, zero_point_of


def prelu_multipliers(graph: Graph, operation: Operation) -> tuple[tuple[int, int], tuple[int, int]]:
    """(multiplier, shift) of positive values, and of the products of negative ones with their slopes."""
    values, slopes = graph.operands(operation)
    result = scale_of(graph.result(operation))
    positive = quantize_multiplier(scale_of(values) / result)
    return positive, quantize_multiplier(scale_of(values) * scale_of(slopes) / result)


def parametric_relu(graph: Graph, operation: Operation, values: Array, slopes: Array) -> Array:
    """Operands have equally many axes, the first counts samples."""
    first, second = graph.operands(operation)
    positive, negative = prelu_multipliers(graph, operation)
    centred = values.astype(numpy.int64) - zero_point_of(first)
    products = centred * (slopes.astype(numpy.int64) - zero_point_of(second))
    scaled = numpy.where(centred >= 0, multiply(centred, *positive), multiply(products, *negative))
    return clamp_int8(scaled + zero_point_of(graph.result(operation)))
