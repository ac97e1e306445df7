"""Softmax in fixed point, as reference/softmax.py defines it."""

from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.kernels.scalar import is_baseline
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import Softmax
from lwm2m_ml.compiler.reference.requantization import scale_of
from lwm2m_ml.compiler.reference.softmax import EXP_CONSTANT_TERM, EXP_FACTORS, ONE_THIRD, softmax_parameters
from lwm2m_ml.compiler.targets import Architecture

_HIGH = """
static __attribute__((noinline)) int32_t @NAME@(int32_t value, int32_t multiplier)
{
  return (int32_t)(((int64_t)value * multiplier + (1 << 30)) >> 31);
}
"""
_SHIFT = """
static int32_t @NAME@(int32_t value, int32_t shift)
{
  return (((value + (value >> 31)) >> (shift - 1)) + 1) >> 1;
}
"""
_EXP = """
static __attribute__((noinline)) int32_t @NAME@(int32_t value)
{
  static const int32_t factors[] = {$FACTORS};
  if (value == 0) return 0x7fffffff;
  int32_t remainder = (value & 0xffffff) - 0x1000000;
  int32_t bits = remainder - value;
  int32_t x = (int32_t)((uint32_t)remainder << 5) + (1 << 28);
  int32_t x2 = $HIGH(x, x);
  int32_t x3 = $HIGH(x2, x);
  int32_t x4 = $HIGH(x2, x2);
  int32_t tail = $SHIFT($HIGH($SHIFT(x4, 2) + x3, $ONE_THIRD) + x2, 1);
  int32_t result = $CONSTANT + $HIGH(x + tail, $CONSTANT);
  for (int32_t i = 0; i < 7; ++i)
    if (bits >> (24 + i) & 1) result = $HIGH(result, factors[i]);
  return result;
}
"""
_TEMPLATE = """
static void @NAME@(const int8_t *input, int8_t *output)
{
  for (int32_t row = 0; row < $ROWS; ++row, input += $CLASSES, output += $CLASSES) {
    int32_t maximum = -128;
    for (int32_t i = 0; i < $CLASSES; ++i)
      if (input[i] > maximum) maximum = input[i];
    int32_t sum = 0;
    for (int32_t i = 0; i < $CLASSES; ++i) {
      int32_t difference = input[i] - maximum;
      if (difference >= $MINIMUM) sum += $SHIFT($EXP($HIGH(difference * (1 << $LEFT), $MULTIPLIER)), 12);
    }
    int32_t headroom = $HEADROOM;
    int32_t half = (int32_t)(((uint32_t)sum << headroom) >> 1);
    int32_t x = 1515870810 + $HIGH(half, -1010580540);
    for (int32_t i = 0; i < 3; ++i) x += $HIGH(x, (1 << 29) - $HIGH(half, x)) * 4;
    x = x >= (1 << 30) ? 0x7fffffff : x * 2;
    for (int32_t i = 0; i < $CLASSES; ++i) {
      int32_t difference = input[i] - maximum;
      int32_t value = -128;
      if (difference >= $MINIMUM) {
        value += $SHIFT($HIGH(x, $EXP($HIGH(difference * (1 << $LEFT), $MULTIPLIER))), 12 - headroom + 23);
        if (value > 127) value = 127;
      }
      output[i] = (int8_t)value;
    }
  }
}
"""


# Without an instruction for it a loop is a fraction of what a compiler puts in its place.
_LEADING_ZEROS = """
static int32_t @NAME@(int32_t value)
{
  int32_t count = 0;
  for (; value > 0; value = (int32_t)((uint32_t)value << 1)) {
    ++count;
    __asm__("" : "+r"(value));
  }
  return count;
}
"""


def _headroom(layer: Layer, program: Program) -> str:
    """The zeros in front of the sum, which is positive."""
    if is_baseline(layer.target) or layer.target.architecture is Architecture.RISCV32:
        return f"{program.function('leading_zeros', _LEADING_ZEROS)}(sum)"
    return "__builtin_clz((uint32_t)sum)"


@dataclass(frozen=True, slots=True)
class FixedPointSoftmax(Portable):
    """Exponentials by multiplication, the reciprocal by Newton and Raphson."""

    name: str = "softmax, fixed point"

    def accepts(self, layer: Layer) -> bool:
        """Every softmax."""
        return isinstance(layer.kind, Softmax)

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """In place: an element is read for the last time just before it is written."""
        return {0: 0}

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """Shared helpers and one function per shape."""
        kind = layer.kind
        assert isinstance(kind, Softmax)  # noqa: S101 - see accepts
        multiplier, left, minimum = softmax_parameters(scale_of(layer.operands[0]), kind.beta)
        high, shift = program.function("high_product", _HIGH), program.function("shift_down", _SHIFT)
        factors = ", ".join(map(str, EXP_FACTORS))
        exponential = fill(
            _EXP, FACTORS=factors, HIGH=high, SHIFT=shift, ONE_THIRD=ONE_THIRD, CONSTANT=EXP_CONSTANT_TERM
        )
        classes = layer.result.shape[-1]
        text = fill(
            _TEMPLATE,
            ROWS=layer.result.elements // classes,
            CLASSES=classes,
            MINIMUM=max(minimum, -256),
            LEFT=left,
            MULTIPLIER=multiplier,
            HIGH=high,
            SHIFT=shift,
            HEADROOM=_headroom(layer, program),
            EXP=program.function("exponential", exponential),
        )
        return f"{program.function('softmax', text)}({places.operands[0]}, {places.result});"


KERNELS: tuple[Kernel, ...] = (FixedPointSoftmax(),)
