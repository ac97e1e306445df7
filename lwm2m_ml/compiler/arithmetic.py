"""The integer arithmetic of TensorFlow Lite's reference kernels: multiplication by a real number in fixed point.

A real multiplier becomes a 31-bit integer `multiplier` and a power of two `shift`: real ≈ multiplier / 2³¹ × 2^shift.
LiteRT rounds twice in convolutions (gemmlowp) and once in fully connected layers; both are here, for numpy arrays.
"""

import math
from enum import Enum

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.ir.tensor import Array

Integers = NDArray[numpy.int64]

INT8_MINIMUM = -128
INT8_MAXIMUM = 127
_INT32 = numpy.iinfo(numpy.int32)


class Rounding(Enum):
    """How often a fixed-point multiplication rounds."""

    DOUBLE = "double"
    SINGLE = "single"
    WIDE = "wide"
    """Once, of sums beyond int32: TfLite's fully connected layers on int16."""
    REDUCED = "reduced"
    """As WIDE, with a multiplier of 15 bits: TfLite's convolutions on int16."""


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) of a real number ≥ 0, as TfLite's QuantizeMultiplier."""
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = _round_half_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    if shift < -31:
        return 0, 0
    return (multiplier, shift) if shift <= 30 else ((1 << 31) - 1, 30)


def _round_half_away(value: float) -> int:
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def round_half_away(values: Array) -> Array:
    """Each value rounded to the nearest integer, halves away from zero (C's `round`)."""
    return numpy.copysign(numpy.floor(numpy.abs(values) + 0.5), values)


def wrap32(values: Array) -> Integers:
    """Values reduced to 32 bits as the machine's registers do."""
    return values.astype(numpy.int64).astype(numpy.int32).astype(numpy.int64)


def doubling_high_multiply(values: Array, multiplier: Array | int) -> Integers:
    """The high half of twice the product, rounded to nearest (gemmlowp SaturatingRoundingDoublingHighMul)."""
    product = values.astype(numpy.int64) * numpy.asarray(multiplier, dtype=numpy.int64)
    # Truncation of a nudged product towards zero equals this floor for either sign.
    high: Integers = (product + (1 << 30)) >> 31
    return numpy.minimum(high, _INT32.max)


def divide_by_power_of_two(values: Array, exponent: Array | int) -> Integers:
    """Division by 2^exponent, rounding to nearest, halves away from zero (gemmlowp RoundingDivideByPOT)."""
    exponents = numpy.asarray(exponent, dtype=numpy.int64)
    mask = (numpy.int64(1) << exponents) - 1
    threshold = (mask >> 1) + (values < 0)
    result: Integers = (values >> exponents) + ((values & mask) > threshold)
    return result


def multiply(
    values: Array, multiplier: Array | int, shift: Array | int, rounding: Rounding = Rounding.DOUBLE
) -> Integers:
    """Values times multiplier / 2³¹ × 2^shift, as TfLite's MultiplyByQuantizedMultiplier."""
    shifts = numpy.asarray(shift, dtype=numpy.int64)
    if rounding is Rounding.REDUCED:
        few: Integers = values.astype(numpy.int64) * reduced(multiplier) + (numpy.int64(1) << (14 - shifts))
        return few >> (15 - shifts)
    if rounding is Rounding.WIDE:
        # In two parts, so that no product leaves 64 bits.
        sums, factor = values.astype(numpy.int64), numpy.asarray(multiplier, dtype=numpy.int64)
        low = (sums & 0xFFFF) * factor + (numpy.int64(1) << (30 - shifts))
        wide: Integers = ((sums >> 16) * factor + (low >> 16)) >> (15 - shifts)
        return wide
    if rounding is Rounding.SINGLE:
        total = 31 - shifts
        product = values.astype(numpy.int64) * numpy.asarray(multiplier, dtype=numpy.int64)
        result: Integers = (product + (numpy.int64(1) << (total - 1))) >> total
        return result
    shifted = wrap32(values.astype(numpy.int64) << numpy.maximum(shifts, 0))
    return divide_by_power_of_two(doubling_high_multiply(shifted, multiplier), numpy.maximum(-shifts, 0))


def reduced(multiplier: Array | int) -> Integers:
    """A multiplier of 31 bits rounded to 15, as TfLite does for sums of 64 bits."""
    wide = numpy.asarray(multiplier, dtype=numpy.int64)
    few: Integers = numpy.where(wide < 0x7FFF0000, (wide + (1 << 15)) >> 16, 0x7FFF)
    return few


def clamp_int8(values: Array, low: int = INT8_MINIMUM, high: int = INT8_MAXIMUM) -> NDArray[numpy.int8]:
    """Values limited to an interval, as int8."""
    return numpy.clip(values, low, high).astype(numpy.int8)


def activation_limits(
    scale: float,
    zero_point: int,
    bounds: tuple[float, float],
    *,
    lowest: int = INT8_MINIMUM,
    highest: int = INT8_MAXIMUM,
) -> tuple[int, int]:
    """The interval of codes of a fused activation, as TfLite's CalculateActivationRangeQuantized; int8's by default."""

    def quantized(real: float) -> int:
        return zero_point + _round_half_away(float(numpy.float32(real) / numpy.float32(scale)))

    low, high = bounds
    return (
        lowest if math.isinf(low) else max(lowest, quantized(low)),
        highest if math.isinf(high) else min(highest, quantized(high)),
    )


def quantize_values(values: Array, scale: float, zero_point: int) -> NDArray[numpy.int8]:
    """Real values as int8: divided in float32, rounded to nearest even, limited to the range."""
    scaled = numpy.rint(values.astype(numpy.float32) / numpy.float32(scale))
    return clamp_int8(numpy.nan_to_num(scaled).astype(numpy.float64) + zero_point)


def dequantize_values(values: Array, scale: float, zero_point: int) -> NDArray[numpy.float32]:
    """The real values that integers stand for."""
    return ((values.astype(numpy.float32) - zero_point) * numpy.float32(scale)).astype(numpy.float32)
