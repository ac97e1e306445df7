"""C text that brings the operands of a pixel into one piece, a column, for the dot products."""

from lwm2m_ml.compiler.backends.native.program import Program

# Columns lie in the operand as they are needed.
IN_PLACE = """
    const int8_t *column = input;
    input += $COLUMNS * LENGTH;"""
GATHER = """
    int8_t *target = columns;
    const int8_t *column = columns;
    for (int32_t i = 0; i < $COLUMNS && i < left; ++i) {
      int32_t start = x * STRIDE_X - LEFT, row = y * STRIDE_Y - TOP;
      for (int32_t ky = 0; ky < WINDOW_HEIGHT; ++ky, row += DILATION_Y)
        target = $COPY(target, input + (row * IN_WIDTH + start) * IN_CHANNELS, start * IN_CHANNELS,
          (uint32_t)row < IN_HEIGHT ? IN_WIDTH * IN_CHANNELS : 0, WINDOW_WIDTH * IN_CHANNELS, ZERO);
      if (++x == OUT_WIDTH) { x = 0; ++y; }
    }"""
# One row of a window: elements from `start` on of a row with `end` of them, zero points outside of it.
_COPY = """
static __attribute__((noinline)) int8_t *@NAME@(int8_t *target, const int8_t *source, int32_t start, int32_t end,
  int32_t length, int32_t zero)
{
  int32_t i = 0;
  if (start < 0) for (; i < length && i < -start; ++i) target[i] = (int8_t)zero;
  for (; i < length && i < end - start; ++i) target[i] = source[i];
  for (; i < length; ++i) target[i] = (int8_t)zero;
  return target + length;
}
"""

_COPY_SMALL = """
static __attribute__((noinline)) int8_t *@NAME@(int8_t *target, const int8_t *source, int32_t start, int32_t end,
  int32_t length, int32_t zero)
{
  for (; length > 0; --length, ++start, ++source) *target++ = (uint32_t)start < (uint32_t)end ? *source : (int8_t)zero;
  return target;
}
"""


def copy_function(program: Program, optimize: str) -> str:
    """The symbol of the copy of one row of a window."""
    return program.function("copy_row", _COPY_SMALL if optimize == "size" else _COPY)
