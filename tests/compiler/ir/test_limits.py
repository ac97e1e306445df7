"""What a model may ask for is bounded: each tensor, each operation, and the whole."""

import numpy
import pytest

from lwm2m_ml.compiler.errors import ModelTooLarge
from lwm2m_ml.compiler.ir import DataType, Graph
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import Reshape, Unary, UnaryFunction
from lwm2m_ml.compiler.ir.limits import (
    MAXIMUM_COMPUTED_ELEMENTS,
    MAXIMUM_CONSTANT_BYTES,
    MAXIMUM_ELEMENTS,
    check_elements,
    check_graph,
)


def _chain(elements: int, length: int) -> Graph:
    builder = GraphBuilder()
    name = builder.variable("x", (1, elements), DataType.FLOAT32)
    for _ in range(length):
        name = builder.add(Unary(UnaryFunction.RELU), [name], "y")
    return builder.finish(["x"], [name])


def test_largest_shape_passes_and_one_more_element_does_not() -> None:
    check_elements((MAXIMUM_ELEMENTS,), "x")
    with pytest.raises(ModelTooLarge, match="elements"):
        check_elements((MAXIMUM_ELEMENTS + 1,), "x")


def test_many_tensors_of_a_possible_size_are_too_much_together() -> None:
    share = MAXIMUM_COMPUTED_ELEMENTS // 8
    check_graph(_chain(share, 7))
    with pytest.raises(ModelTooLarge, match="computes"):
        check_graph(_chain(share, 8))


def test_constants_beyond_any_flash_are_refused() -> None:
    builder = GraphBuilder()
    for number in range(5):
        builder.constant(f"c{number}", numpy.zeros(MAXIMUM_CONSTANT_BYTES // 4, numpy.int8))
    x = builder.variable("x", (1, 2), DataType.FLOAT32)
    y = builder.add(Reshape((2, 1)), [x], "y")
    with pytest.raises(ModelTooLarge, match="constants"):
        check_graph(builder.finish([x], [y]))
