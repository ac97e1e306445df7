"""C text that scales a sum to int8 with two words of parameters per channel, without 64-bit products on small cores.

The words are bias × 32 + shift, and the multiplier. With p = sum × multiplier, rounding twice gives
h = (p + 2³⁰) >> 31, then (h − [h < 0] + 2^(shift − 1)) >> shift; rounding once leaves out 2³⁰ and [h < 0], because
h = p >> 31 loses only bits that the last shift loses too. The zero point joins the last rounding.
"""

import numpy

from lwm2m_ml.compiler.arithmetic import Rounding
from lwm2m_ml.compiler.backends.native.kernels.scalar import is_baseline
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import clamp_function
from lwm2m_ml.compiler.ir.tensor import Array

# Sums below this keep every partial product of 16-bit halves within 32 bits.
_LARGEST_SUM = 1 << 28
# Biases share a word with their shift.
_LARGEST_BIAS = 1 << 26
# The zero point is added before the last shift: it must not run out of 32 bits.
_LARGEST_SHIFT = 20
_LARGEST_OPERAND = 255

# sum = 2¹⁶·upper + lower with a signed lower half, so that no partial product and no sum of them leaves 32 bits.
_HALVES = """
static __attribute__((always_inline)) inline int32_t @NAME@(int32_t sum, int32_t multiplier, int32_t nudge)
{
  int32_t lower = (int16_t)sum, upper = (sum - lower) >> 16;
  int32_t low = (uint16_t)multiplier, high = (int32_t)((uint32_t)multiplier >> 16);
  int32_t middle = ((lower * low) >> 16) + lower * high + upper * low + nudge;
  return upper * high * 2 + (middle >> 15);
}
"""
_LONG = """
static __attribute__((always_inline)) inline int32_t @NAME@(int32_t sum, int32_t multiplier, int32_t nudge)
{
  return (int32_t)(((int64_t)sum * multiplier + (nudge << 16)) >> 31);
}
"""
_SCALE = """
static __attribute__((always_inline)) inline int8_t @NAME@(int32_t sum, int32_t multiplier, int32_t shift, int32_t term,
  int32_t nudge, int32_t away, int32_t low, int32_t high)
{
  int32_t value = $PRODUCT(sum, multiplier, nudge);
  value += ((value >> 31) & away) + term;
  return $CLAMP(value >> shift, low, high);
}
"""
# What a channel's parameters say, for variables of these names.
_UNPACKED = """int32_t shift = $PARAMETERS[0] & 31, bias = $PARAMETERS[0] >> 5, multiplier = $MULTIPLIER;
      int32_t term = (int32_t)((uint32_t)ROUNDING << shift) >> 1;"""


def unpacked(parameters: str, multiplier: str | None = None) -> str:
    """C text that unpacks the parameters that a pointer tells; the multiplier is the second, unless all share one."""
    return fill(_UNPACKED, PARAMETERS=parameters, MULTIPLIER=multiplier or f"{parameters}[1]")


def shares_multiplier(layer: Layer) -> bool:
    """Whether one multiplier serves all channels, so that it need not be repeated."""
    return len(set(layer.requantization.multipliers)) == 1


def scalable(layer: Layer, filters: Array, bias: Array) -> bool:
    """Whether the sums of a layer with filters (O, K) stay within the bounds that make the short form exact."""
    weights = numpy.abs(filters.astype(numpy.int64)).sum(axis=1) * _LARGEST_OPERAND
    biases = numpy.abs(bias.astype(numpy.int64))
    return bool(
        (weights + biases).max(initial=0) < _LARGEST_SUM
        and biases.max(initial=0) < _LARGEST_BIAS
        and all(-_LARGEST_SHIFT <= shift < 0 for shift in layer.requantization.shifts)
    )


def scale_function(program: Program, layer: Layer) -> str:
    """The symbol of the function that makes a result of a sum with bias, multiplier, shift, term and `SCALING`."""
    product = program.function("high_product", _HALVES if is_baseline(layer.target) else _LONG)
    return program.function("scale", fill(_SCALE, PRODUCT=product, CLAMP=clamp_function(program)))


# The last arguments of that function, by the names that `scaling_lengths` gives them.
SCALING = "NUDGE, AWAY, LOW, HIGH"


def scaling_lengths(layer: Layer) -> dict[str, int]:
    """What all channels of a layer have in common, for a driver to know."""
    requantization = layer.requantization
    twice = requantization.rounding is Rounding.DOUBLE
    # Halves round away from zero; below the zero point that makes no difference when all of it is clamped.
    away = twice and requantization.low < requantization.zero_point
    return {
        "ROUNDING": 2 * requantization.zero_point + 1,
        "NUDGE": 1 << 14 if twice else 0,
        "AWAY": -1 if away else 0,
        "LOW": requantization.low,
        "HIGH": requantization.high,
    }
