"""Logistic and hyperbolic tangent of int16 in C, as reference/fixed_point16.py defines them."""

from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.reference.fixed_point16 import (
    CONSTANT_TERM,
    FACTORS,
    FIRST_GUESS,
    GUESS_SLOPE,
    ONE,
    THIRD,
)

_HIGH = """
static int32_t @NAME@(int32_t value, int32_t factor)
{
  int32_t high = (value * factor + (1 << 14)) >> 15;
  return high > 32767 ? 32767 : high;
}
"""
_SATURATE = """
static int32_t @NAME@(int32_t value)
{
  return value < -32768 ? -32768 : value > 32767 ? 32767 : value;
}
"""
_SHIFT = """
static int32_t @NAME@(int32_t value, int32_t shift)
{
  return (((value + (value >> 31)) >> (shift - 1)) + 1) >> 1;
}
"""
# 2 / (1 + exp(x)) in Q2.13 of x ≤ 0 with `bits` integer bits.
_NEWTON = """
static __attribute__((noinline)) int32_t @NAME@(int32_t value, int32_t bits)
{
  static const int16_t factors[] = {$FACTORS};
  int32_t fraction = 15 - bits, power = $ONE;
  if (value != 0) {
    int32_t quarter = 1 << (fraction - 2);
    int32_t remainder = (value & (quarter - 1)) - quarter;
    int32_t rest = remainder - value;
    int32_t x = remainder * (1 << bits) + (1 << 12);
    int32_t x2 = $HIGH(x, x), x3 = $HIGH(x2, x), x4 = $HIGH(x2, x2);
    int32_t tail = $SHIFT($HIGH($SHIFT(x4, 2) + x3, $THIRD) + x2, 1);
    power = $SATURATE($TERM + $HIGH(x + tail, $TERM));
    for (int32_t i = 0; i < 7 && i - 2 < bits; ++i)
      if (rest >> (fraction + i - 2) & 1) power = $HIGH(power, factors[i]);
    if (bits > 5 && value < -(1 << (fraction + 5))) power = 0;
  }
  int32_t half = (power + $ONE + 1) >> 1;
  int32_t y = $GUESS + $HIGH(half, $SLOPE);
  for (int32_t i = 0; i < 3; ++i) y += $SATURATE($HIGH(y, (1 << 13) - $HIGH(half, y)) * 4);
  return y;
}
"""
_LOGISTIC = """
static __attribute__((noinline)) int32_t @NAME@(int32_t value)
{
  if (value == 0) return 1 << 14;
  int32_t positive = $SATURATE($NEWTON(value > 0 ? -value : value, 3) * 2);
  return value > 0 ? positive : $ONE - positive;
}
"""
_TANH = """
static __attribute__((noinline)) int32_t @NAME@(int32_t value, int32_t bits)
{
  if (value == 0) return 0;
  int32_t size = $SATURATE(($NEWTON(value > 0 ? -value : value, bits + 1) - (1 << 13)) * 4);
  return value > 0 ? size : -size;
}
"""


def saturate16(program: Program) -> str:
    """The symbol of a limitation to int16."""
    return program.function("saturate", _SATURATE)


def shift_down(program: Program) -> str:
    """The symbol of a division by a power of two of one and more, rounding halves away from zero."""
    return program.function("shift_down", _SHIFT)


def logistic16(program: Program) -> str:
    """The symbol of the logistic function from Q3.12 to Q0.15."""
    return program.function(
        "logistic16", fill(_LOGISTIC, SATURATE=saturate16(program), NEWTON=_newton(program), ONE=ONE)
    )


def tanh16(program: Program) -> str:
    """The symbol of the hyperbolic tangent to Q0.15; its second argument counts integer bits."""
    return program.function("tanh16", fill(_TANH, SATURATE=saturate16(program), NEWTON=_newton(program)))


def _newton(program: Program) -> str:
    text = fill(
        _NEWTON,
        FACTORS=", ".join(map(str, FACTORS)),
        ONE=ONE,
        HIGH=program.function("high_product16", _HIGH),
        SHIFT=shift_down(program),
        SATURATE=saturate16(program),
        THIRD=THIRD,
        TERM=CONSTANT_TERM,
        GUESS=FIRST_GUESS,
        SLOPE=GUESS_SLOPE,
    )
    return program.function("inverse16", text)
