"""Fixed-point arithmetic against gemmlowp's definitions in plain Python integers."""

import math
from fractions import Fraction

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.compiler.arithmetic import (
    Rounding,
    activation_limits,
    divide_by_power_of_two,
    doubling_high_multiply,
    multiply,
    quantize_multiplier,
    quantize_values,
)

int32s = st.integers(-(1 << 31), (1 << 31) - 1)
multipliers = st.integers(1 << 30, (1 << 31) - 1)


def _truncated_division(dividend: int, divisor: int) -> int:
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def _gemmlowp_high(a: int, b: int) -> int:
    """SaturatingRoundingDoublingHighMul as fixedpoint.h words it."""
    product = a * b
    nudge = 1 << 30 if product >= 0 else 1 - (1 << 30)
    return _truncated_division(product + nudge, 1 << 31)


@given(int32s, multipliers)
def test_doubling_high_multiply_is_gemmlowps(a: int, b: int) -> None:
    assert int(doubling_high_multiply(numpy.array([a]), b)[0]) == _gemmlowp_high(a, b)


@given(int32s, st.integers(0, 31))
def test_division_by_a_power_of_two_rounds_halves_away_from_zero(value: int, exponent: int) -> None:
    exact = Fraction(value, 1 << exponent)
    expected = math.floor(abs(exact) + Fraction(1, 2)) * (1 if value >= 0 else -1)
    assert int(divide_by_power_of_two(numpy.array([value]), exponent)[0]) == expected


@given(st.floats(1e-9, 1e6))
def test_multiplier_and_shift_stand_for_the_real_number(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 1 << 30 <= multiplier < 1 << 31
    assert math.isclose(multiplier / (1 << 31) * 2.0**shift, real, rel_tol=2**-30)


def test_multiplier_of_zero_and_of_the_tiniest_numbers_is_zero() -> None:
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(2.0**-40) == (0, 0)


@given(st.integers(-(1 << 24), 1 << 24), multipliers, st.integers(-20, 3))
def test_either_rounding_is_within_one_of_the_exact_product(value: int, multiplier: int, shift: int) -> None:
    exact = Fraction(value * multiplier, 1 << 31) * Fraction(2) ** shift
    once = int(multiply(numpy.array([value]), multiplier, shift, Rounding.SINGLE)[0])
    twice = int(multiply(numpy.array([value]), multiplier, shift)[0])
    assert abs(once - exact) <= Fraction(1, 2)
    assert abs(twice - exact) <= 1


def test_activation_limits_lie_in_int8_and_at_the_bounds() -> None:
    assert activation_limits(0.1, -128, (0.0, 6.0)) == (-128, -68)
    assert activation_limits(0.1, 0, (-math.inf, math.inf)) == (-128, 127)
    assert activation_limits(0.001, 100, (0.0, 6.0)) == (100, 127)


@pytest.mark.parametrize(("real", "code"), [(0.5, 0), (1.0, 127), (2.0, 127), (-1.0, -128)])
def test_values_are_rounded_and_limited(real: float, code: int) -> None:
    assert quantize_values(numpy.array([real], numpy.float32), 1 / 255, -128)[0] == pytest.approx(code, abs=1)
