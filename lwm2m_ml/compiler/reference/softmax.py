"""Softmax on int8 in fixed point, as TfLite's reference kernel (gemmlowp's exp and reciprocal)."""

import math

import numpy

from lwm2m_ml.compiler.arithmetic import (
    Integers,
    divide_by_power_of_two,
    doubling_high_multiply,
    quantize_multiplier,
    wrap32,
)
from lwm2m_ml.compiler.ir.tensor import Array

SCALED_DIFFERENCE_BITS = 5
ACCUMULATION_BITS = 12
_MAXIMUM = (1 << 31) - 1

# exp(-2^k) in Q0.31, for the bits of the exponent from -2 upwards.
EXP_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
EXP_CONSTANT_TERM = 1895147668  # exp(-1/8)
ONE_THIRD = 715827883


def softmax_parameters(scale: float, beta: float) -> tuple[int, int, int]:
    """(multiplier, left shift, smallest difference that counts), as PreprocessSoftmaxScaling."""
    real = min(beta * scale * (1 << (31 - SCALED_DIFFERENCE_BITS)), float(_MAXIMUM))
    multiplier, shift = quantize_multiplier(real)
    radius = ((1 << SCALED_DIFFERENCE_BITS) - 1) * (1 << (31 - SCALED_DIFFERENCE_BITS)) / (1 << max(shift, 0))
    return multiplier, max(shift, 0), -math.floor(radius)


def softmax_int8(values: Array, scale: float, beta: float) -> Array:
    """Softmax over the last axis; the result has scale 1/256 and zero point -128."""
    multiplier, shift, minimum = softmax_parameters(scale, beta)
    wide = values.astype(numpy.int64)
    difference = wide - wide.max(axis=-1, keepdims=True)
    counts = difference >= minimum
    scaled = doubling_high_multiply(wrap32(difference << shift), multiplier)
    exponential = numpy.where(counts, exp_on_negative_values(numpy.where(counts, scaled, 0)), 0)
    total = divide_by_power_of_two(exponential, ACCUMULATION_BITS).sum(axis=-1, keepdims=True)
    reciprocal, headroom = _reciprocal(total)
    product = doubling_high_multiply(reciprocal, exponential)
    result = divide_by_power_of_two(product, headroom + 31 - 8) - 128
    return numpy.where(counts, numpy.clip(result, -128, 127), -128).astype(numpy.int8)


def _saturating_shift_left(values: Integers, bits: int) -> Integers:
    shifted: Integers = numpy.clip(values << bits, -_MAXIMUM - 1, _MAXIMUM)
    return shifted


def exp_on_negative_values(values: Integers) -> Integers:
    """exp(x) in Q0.31 of x ≤ 0 in Q5.26 (gemmlowp exp_on_negative_values)."""
    quarter = 1 << (31 - SCALED_DIFFERENCE_BITS - 2)
    mask = quarter - 1
    remainder = (values & mask) - quarter
    result = _exp_on_interval(_saturating_shift_left(remainder, SCALED_DIFFERENCE_BITS))
    bits = remainder - values
    for exponent, factor in zip(range(-2, SCALED_DIFFERENCE_BITS), EXP_FACTORS, strict=True):
        position = 31 - SCALED_DIFFERENCE_BITS + exponent
        result = numpy.where(bits & (1 << position), doubling_high_multiply(result, factor), result)
    whole: Integers = numpy.where(values == 0, _MAXIMUM, result)
    return whole


def _exp_on_interval(values: Integers) -> Integers:
    """exp(x) for x in [-1/4, 0), Taylor's series around -1/8."""
    x = values + (1 << 28)
    x2 = doubling_high_multiply(x, x)
    x3 = doubling_high_multiply(x2, x)
    x4 = doubling_high_multiply(x2, x2)
    x4_over_4 = divide_by_power_of_two(x4, 2)
    inner = doubling_high_multiply(x4_over_4 + x3, ONE_THIRD)
    tail = divide_by_power_of_two(inner + x2, 1)
    return EXP_CONSTANT_TERM + doubling_high_multiply(x + tail, EXP_CONSTANT_TERM)


def _reciprocal(total: Integers) -> tuple[Integers, Integers]:
    """1/x in Q0.31 of a sum in Q12.19, and by how many bits it was normalised (gemmlowp GetReciprocal)."""
    headroom = 31 - numpy.floor(numpy.log2(total.astype(numpy.float64))).astype(numpy.int64)
    shifted = (total << headroom) - (1 << 31)
    return _one_over_one_plus(shifted), ACCUMULATION_BITS - headroom


def _one_over_one_plus(values: Integers) -> Integers:
    """1 / (1 + x) in Q0.31 of x in [0, 1), three steps of Newton and Raphson."""
    half_denominator = (values + _MAXIMUM + 1) >> 1
    x = 1515870810 + doubling_high_multiply(half_denominator, -1010580540)
    for _ in range(3):
        half_product = doubling_high_multiply(half_denominator, x)
        remainder = (1 << 29) - half_product
        x = x + _saturating_shift_left(doubling_high_multiply(x, remainder), 2)
    return _saturating_shift_left(x, 1)
