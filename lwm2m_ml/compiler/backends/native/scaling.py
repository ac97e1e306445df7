"""C text that turns an int32 sum into an int8 result, specialised to what a layer needs."""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.arithmetic import Rounding, reduced
from lwm2m_ml.compiler.backends.native.program import Program
from lwm2m_ml.compiler.reference.requantization import WIDE_ROUNDINGS, Requantization

# The same results as arithmetic.multiply; each form needs what its name says.
_RIGHT_SHIFT_FROM_ONE = """
static inline int32_t @NAME@(int32_t value, int32_t multiplier, int32_t shift)
{
  int32_t high = (int32_t)(((int64_t)value * multiplier + (1 << 30)) >> 31);
  return (((high + (high >> 31)) >> (shift - 1)) + 1) >> 1;
}
"""
_ANY_SHIFT = """
static inline int32_t @NAME@(int32_t value, int32_t multiplier, int32_t shift)
{
  int32_t shifted = (int32_t)((uint32_t)value << (shift > 0 ? shift : 0));
  int32_t high = (int32_t)(((int64_t)shifted * multiplier + (1 << 30)) >> 31);
  if (shift >= 0) return high;
  return (((high + (high >> 31)) >> (-shift - 1)) + 1) >> 1;
}
"""
_ONCE = """
static inline int32_t @NAME@(int32_t value, int32_t multiplier, int32_t shift)
{
  return (int32_t)(((int64_t)value * multiplier + ((int64_t)1 << (shift - 1))) >> shift);
}
"""
_CLAMP = """
static inline int8_t @NAME@(int32_t value, int32_t low, int32_t high)
{
  return (int8_t)(value < low ? low : value > high ? high : value);
}
"""


# Sums of 64 bits, a multiplier of 15.
_REDUCED = """
static inline int64_t @NAME@(int64_t value, int32_t multiplier, int32_t shift)
{
  return (value * multiplier + ((int64_t)1 << (shift - 1))) >> shift;
}
"""
# Sums of 64 bits, in two parts, so that no product leaves 64.
_WIDE = """
static inline int64_t @NAME@(int64_t value, int32_t multiplier, int32_t shift)
{
  int64_t low = (value & 0xffff) * multiplier + ((int64_t)1 << (shift - 1));
  return ((value >> 16) * multiplier + (low >> 16)) >> (shift - 16);
}
"""
_WIDE_CLAMP = """
static inline int32_t @NAME@(int64_t value, int32_t low, int32_t high)
{
  return value < low ? low : value > high ? high : (int32_t)value;
}
"""


def multiply_any_shift(program: Program) -> str:
    """The symbol of a multiplication for a shift of either sign, rounding twice."""
    return program.function("multiply", _ANY_SHIFT)


def clamp_function(program: Program) -> str:
    """The symbol of a clamp to int8 limits."""
    return program.function("clamp", _CLAMP)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Parameters and arguments for a kernel function, and the expression that scales a sum."""

    parameters: str
    arguments: str
    multiplier: str
    shift: str
    function: str
    clamp: str
    requantization: Requantization

    def expression(self, value: str) -> str:
        """The int8 result of a sum; uses the variable `channel` for layers quantised per channel."""
        parameters = self.requantization
        scaled = f"{self.function}({value}, {self.multiplier}, {self.shift})"
        return f"{self.clamp}({scaled} + ({parameters.zero_point}), {parameters.low}, {parameters.high})"


def scaling(program: Program, requantization: Requantization) -> Scaling:
    """The cheapest exact form for the shifts that occur."""
    function, shifts = _form(program, requantization)
    wide = requantization.rounding in WIDE_ROUNDINGS
    clamp = program.function("clamp", _WIDE_CLAMP) if wide else clamp_function(program)
    multipliers = numpy.array(requantization.multipliers, numpy.int32)
    if requantization.rounding is Rounding.REDUCED:
        multipliers = reduced(multipliers).astype(numpy.int32)
    if len({*zip(multipliers.tolist(), shifts.tolist(), strict=True)}) == 1:
        return Scaling("", "", str(multipliers[0]), f"({shifts[0]})", function, clamp, requantization)
    return Scaling(
        ", const int32_t *multipliers, const int8_t *shifts",
        f", {program.constant(multipliers)}, {program.constant(shifts.astype(numpy.int8))}",
        "multipliers[channel]",
        "shifts[channel]",
        function,
        clamp,
        requantization,
    )


def _form(program: Program, requantization: Requantization) -> tuple[str, "numpy.typing.NDArray[numpy.int64]"]:
    shifts = numpy.array(requantization.shifts, numpy.int64)
    if requantization.rounding is Rounding.REDUCED:
        return program.function("multiply_reduced", _REDUCED), 15 - shifts
    if requantization.rounding is Rounding.WIDE:
        return program.function("multiply_wide", _WIDE), 31 - shifts
    if requantization.rounding is Rounding.SINGLE:
        return program.function("multiply_once", _ONCE), 31 - shifts
    if (shifts < 0).all():
        return program.function("multiply_down", _RIGHT_SHIFT_FROM_ONE), -shifts
    return multiply_any_shift(program), shifts
