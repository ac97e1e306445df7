"""Elementary functions in float32, small and the same on every core: there is no mathematical library on a device."""

from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import Activation

# Range reduction to r in ±ln 2 / 2 and a polynomial of degree 7; the coefficients are Cephes' (expf.c).
_EXPONENTIAL = """
static __attribute__((noinline)) float @NAME@(float x)
{
  if (x < -87.0f) return 0.0f;
  if (x > 88.0f) x = 88.0f;
  int32_t n = (int32_t)(x * 1.44269504f + (x < 0.0f ? -0.5f : 0.5f));
  float r = x - (float)n * 0.693359375f + (float)n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  union { int32_t bits; float value; } power = {(n + 127) << 23};
  return (p * r * r + r + 1.0f) * power.value;
}
"""
# A polynomial near zero, where the exponential would lose digits; Cephes' tanhf.c.
_TANH = """
static __attribute__((noinline)) float @NAME@(float x)
{
  float size = x < 0.0f ? -x : x;
  if (size >= 0.625f) {
    float y = 1.0f - 2.0f / ($EXP(size + size) + 1.0f);
    return x < 0.0f ? -y : y;
  }
  float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  return p * z * x + x;
}
"""
_LOGISTIC = """
static __attribute__((noinline)) float @NAME@(float x)
{
  return 1.0f / (1.0f + $EXP(-x));
}
"""
# The exponent halved as a first guess, then three of Newton's steps.
_SQUARE_ROOT = """
static __attribute__((noinline)) float @NAME@(float x)
{
  if (x < 1e-30f) return 0.0f;
  union { float value; int32_t bits; } guess = {x};
  guess.bits = (guess.bits >> 1) + 0x1fbd1df5;
  float y = guess.value;
  y = 0.5f * (y + x / y);
  y = 0.5f * (y + x / y);
  return 0.5f * (y + x / y);
}
"""
# The mantissa in sqrt(1/2)…sqrt(2) and a polynomial of degree 9; the coefficients are Cephes' (logf.c).
_LOGARITHM = """
static __attribute__((noinline)) float @NAME@(float x)
{
  union { float value; int32_t bits; } number = {x};
  int32_t exponent = ((number.bits >> 23) & 255) - 126;
  number.bits = (number.bits & 0x7fffff) | 0x3f000000;
  float m = number.value;
  if (m < 0.707106781f) exponent -= 1, m += m;
  m -= 1.0f;
  float z = m * m, p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  float e = (float)exponent;
  return m + (p * m * z - 2.12194440e-4f * e - 0.5f * z) + 0.693359375f * e;
}
"""
_LIMIT = """
static inline float @NAME@(float value, float low, float high)
{
  return value < low ? low : value > high ? high : value;
}
"""
_LARGEST = "0x1.fffffep127f"


def exponential(program: Program) -> str:
    """The symbol of e to a power; 0 far below zero, finite everywhere."""
    return program.function("exponential", _EXPONENTIAL)


def hyperbolic_tangent(program: Program) -> str:
    """The symbol of tanh."""
    return program.function("tanh", fill(_TANH, EXP=exponential(program)))


def logistic(program: Program) -> str:
    """The symbol of 1 / (1 + e to −x)."""
    return program.function("logistic", fill(_LOGISTIC, EXP=exponential(program)))


def square_root(program: Program) -> str:
    """The symbol of the square root of a number that is not negative."""
    return program.function("square_root", _SQUARE_ROOT)


def logarithm(program: Program) -> str:
    """The symbol of the natural logarithm of a positive, ordinary number."""
    return program.function("logarithm", _LOGARITHM)


def limit(program: Program) -> str:
    """The symbol of a limitation to an interval."""
    return program.function("limit", _LIMIT)


def real(value: float) -> str:
    """A float32 constant in C, exactly."""
    return f"{float(value).hex()}f"


def activated(program: Program, value: str, activation: Activation) -> str:
    """The expression of a value after a fused activation."""
    if activation is Activation.NONE:
        return value
    low, high = activation.bounds
    return f"{limit(program)}({value}, {real(low)}, {_LARGEST if high == float('inf') else real(high)})"
