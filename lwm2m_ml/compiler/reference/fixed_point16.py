"""Logistic and hyperbolic tangent on int16 in fixed point, as gemmlowp's fixedpoint.h with std::int16_t."""

import numpy

from lwm2m_ml.compiler.arithmetic import Integers, divide_by_power_of_two
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.hard_swish import rounding_high_multiply16, saturate16
from lwm2m_ml.compiler.reference.softmax import EXP_CONSTANT_TERM, EXP_FACTORS, ONE_THIRD

ONE = 32767


def _constant(value: int) -> int:
    """A 32-bit constant of gemmlowp, rounded to 16 bits."""
    return int(divide_by_power_of_two(numpy.array(value), 16))


# exp(-2^k) in Q0.15, for k from -2 upwards, and the constants of the series and of Newton's iteration.
FACTORS = tuple(_constant(factor) for factor in EXP_FACTORS)
CONSTANT_TERM = _constant(EXP_CONSTANT_TERM)
THIRD = _constant(ONE_THIRD)
FIRST_GUESS = _constant(1515870810)
GUESS_SLOPE = _constant(-1010580540)


def exponential(values: Array, integer_bits: int) -> Integers:
    """exp(x) in Q0.15 of x ≤ 0 with so many integer bits."""
    wide = values.astype(numpy.int64)
    fraction = 15 - integer_bits
    quarter = 1 << (fraction - 2)
    remainder = (wide & (quarter - 1)) - quarter
    result = _series(remainder << integer_bits)
    bits = remainder - wide
    for exponent, factor in zip(range(-2, min(integer_bits, 5)), FACTORS, strict=False):
        result = numpy.where(bits & (1 << (fraction + exponent)), rounding_high_multiply16(result, factor), result)
    if integer_bits > 5:
        result = numpy.where(wide < -(1 << (fraction + 5)), 0, result)
    whole: Integers = numpy.where(wide == 0, ONE, result)
    return whole


def _series(values: Integers) -> Integers:
    """exp(x) for x in [-1/4, 0), Taylor's series around -1/8."""
    x = values + (1 << 12)
    x2 = rounding_high_multiply16(x, x)
    x3 = rounding_high_multiply16(x2, x)
    x4 = rounding_high_multiply16(x2, x2)
    inner = rounding_high_multiply16(divide_by_power_of_two(x4, 2) + x3, THIRD) + x2
    tail = divide_by_power_of_two(inner, 1)
    return saturate16(CONSTANT_TERM + rounding_high_multiply16(x + tail, CONSTANT_TERM))


def _newton(values: Integers) -> Integers:
    """2 / (1 + x) in Q2.13 of x in [0, 1)."""
    half = (values + ONE + 1) >> 1
    x = FIRST_GUESS + rounding_high_multiply16(half, GUESS_SLOPE)
    for _ in range(3):
        error = (1 << 13) - rounding_high_multiply16(half, x)
        x = x + saturate16(rounding_high_multiply16(x, error) << 2)
    return x


def logistic16(values: Array) -> Integers:
    """1 / (1 + e to −x) in Q0.15 of x in Q3.12 (ApplySigmoid)."""
    wide = values.astype(numpy.int64)
    positive = saturate16(_newton(exponential(-numpy.abs(wide), 3)) << 1)
    result: Integers = numpy.where(wide > 0, positive, ONE - positive)
    return numpy.where(wide == 0, 1 << 14, result)


def tanh16(values: Array, integer_bits: int = 3) -> Integers:
    """The hyperbolic tangent in Q0.15 of x with so many integer bits (ApplyTanh)."""
    wide = values.astype(numpy.int64)
    # Doubling the argument costs nothing: it is read with one integer bit more.
    size = saturate16((_newton(exponential(-numpy.abs(wide), integer_bits + 1)) - (1 << 13)) << 2)
    result: Integers = numpy.where(wide < 0, -size, size)
    return numpy.where(wide == 0, 0, result)
