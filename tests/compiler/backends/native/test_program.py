"""The collected text of a module."""

import numpy
import pytest

from lwm2m_ml.compiler.backends.native.program import Program, fill


def test_equal_constants_and_functions_are_kept_once() -> None:
    program = Program()
    first = program.constant(numpy.array([1, 2, 3], numpy.int8))
    assert program.constant(numpy.array([1, 2, 3], numpy.int8)) == first
    assert program.constant(numpy.array([1, 2, 3], numpy.int32)) != first
    assert program.function("work", "static void @NAME@(void) {}") == program.function(
        "other", "static void @NAME@(void) {}"
    )


def test_smallest_integer_is_written_as_an_expression() -> None:
    program = Program()
    program.constant(numpy.array([-(1 << 31)], numpy.int32))
    assert "(-2147483647 - 1)" in program.sources()["module.c"]


def test_longer_placeholders_are_filled_first() -> None:
    assert fill("$A $AB", A=1, AB=2) == "1 2"


def test_forgotten_placeholder_is_an_error() -> None:
    with pytest.raises(ValueError, match="placeholder"):
        fill("$A $B", A=1)
