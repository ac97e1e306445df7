"""Hard swish on int8 in 16-bit fixed point, as TfLite's reference kernel (hard_swish.h)."""

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.arithmetic import Integers, clamp_int8, divide_by_power_of_two, quantize_multiplier
from lwm2m_ml.compiler.ir.tensor import Array

_INT16 = numpy.iinfo(numpy.int16)
_INPUT_BITS = 7


def _multiplier16(real: float) -> tuple[int, int]:
    multiplier, exponent = quantize_multiplier(real)
    return min((multiplier + (1 << 15)) >> 16, _INT16.max), exponent


def rounding_high_multiply16(values: Array, other: Array | int) -> Integers:
    """The high half of twice the product of 16-bit values, rounded (gemmlowp SaturatingRoundingDoublingHighMul)."""
    product = values.astype(numpy.int64) * numpy.asarray(other, numpy.int64)
    high: Integers = (product + (1 << 14)) >> 15
    return numpy.minimum(high, _INT16.max)


def saturate16(values: Array) -> Integers:
    """Values limited to 16 bits."""
    limited: Integers = numpy.clip(values, _INT16.min, _INT16.max)
    return limited


def hard_swish(codes: Array, scale: float, result_scale: float, zero_point: int) -> NDArray[numpy.int8]:
    """X · relu6(x + 3) / 6 of int8 codes without their zero point."""
    fine = numpy.float32(scale) * numpy.float32(1 / 128)
    multiplier, exponent = _multiplier16(float(fine / numpy.float32(result_scale)))
    gate_multiplier, gate_exponent = _multiplier16(float(fine / (numpy.float32(3) / numpy.float32(32768))))
    values = codes.astype(numpy.int64) << _INPUT_BITS
    scaled = rounding_high_multiply16(values, multiplier)
    gate: Array = values
    if gate_exponent > 0:
        gate = saturate16(gate << (gate_exponent - 1))
    gate = rounding_high_multiply16(gate, gate_multiplier)
    if gate_exponent > 0:
        gate = saturate16(gate << 1)
    if gate_exponent < 0:
        gate = divide_by_power_of_two(gate, -gate_exponent)
    gate = (gate + (1 << 15)) >> 1
    product = gate * scaled
    # C's division, which truncates towards zero, without rounding.
    truncated = numpy.minimum(numpy.sign(product) * (numpy.abs(product) >> 15), _INT16.max)
    result = divide_by_power_of_two(truncated, -exponent) if exponent <= 0 else saturate16(truncated << exponent)
    return clamp_int8(result + zero_point)
