"""Dot products of one or two columns of operands with four filters: assembly where C would spill, else portable C.

Two columns share the loads of weights; with a single pixel, or few registers, there is one.
"""

from lwm2m_ml.compiler.backends.native.kernels.armv7em import has_helium
from lwm2m_ml.compiler.backends.native.kernels.assembly import assembly_function, thumb_function
from lwm2m_ml.compiler.backends.native.kernels.scalar import is_baseline
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.targets import Architecture, Target

FILTERS = 4
# The sums of the first column with the four filters, then those of the column `step` bytes further.
_SIGNATURE = "void @NAME@(const int8_t *column, const int8_t *weights, int32_t length, int32_t *sums, int32_t step)"
_C_TWO = """
static __attribute__((noinline)) $SIGNATURE
{
  const int8_t *other = column + step, *second = weights + length, *third = second + length, *fourth = third + length;
  int32_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
  for (int32_t i = 0; i < length; ++i) {
    int32_t x = column[i], y = other[i];
    a += x * weights[i], e += y * weights[i];
    b += x * second[i], f += y * second[i];
    c += x * third[i], g += y * third[i];
    d += x * fourth[i], h += y * fourth[i];
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
  sums[4] = e, sums[5] = f, sums[6] = g, sums[7] = h;
}
"""
_C_ONE = """
static __attribute__((noinline)) $SIGNATURE
{
  const int8_t *second = weights + length, *third = second + length, *fourth = third + length;
  int32_t a = 0, b = 0, c = 0, d = 0;
  for (int32_t i = 0; i < length; ++i) {
    int32_t x = column[i];
    a += x * weights[i];
    b += x * second[i];
    c += x * third[i];
    d += x * fourth[i];
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}
"""
# Sixteen products at a time; what is beyond the length is neither read nor added (tail predication).
_HELIUM = """
static __attribute__((noinline)) $SIGNATURE
{
  const int8_t *second = weights + length, *third = second + length, *fourth = third + length;$OTHER
  int32_t a = 0, b = 0, c = 0, d = 0$SUMS;
  for (int32_t left = length; left > 0; left -= 16) {
    mve_pred16_t lanes = vctp8q((uint32_t)left);
    int8x16_t x = vldrbq_z_s8(column, lanes), w = vldrbq_z_s8(weights, lanes);
    column += 16, weights += 16;$LOAD
    a = vmladavaq_p_s8(a, x, w, lanes);$FIRST
    w = vldrbq_z_s8(second, lanes), second += 16;
    b = vmladavaq_p_s8(b, x, w, lanes);$SECOND
    w = vldrbq_z_s8(third, lanes), third += 16;
    c = vmladavaq_p_s8(c, x, w, lanes);$THIRD
    w = vldrbq_z_s8(fourth, lanes), fourth += 16;
    d = vmladavaq_p_s8(d, x, w, lanes);$FOURTH
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;$STORE
}
"""
_HELIUM_OTHER = {
    "OTHER": "\n  const int8_t *other = column + step;",
    "SUMS": ", e = 0, f = 0, g = 0, h = 0",
    "LOAD": "\n    int8x16_t y = vldrbq_z_s8(other, lanes);\n    other += 16;",
    "FIRST": "\n    e = vmladavaq_p_s8(e, y, w, lanes);",
    "SECOND": "\n    f = vmladavaq_p_s8(f, y, w, lanes);",
    "THIRD": "\n    g = vmladavaq_p_s8(g, y, w, lanes);",
    "FOURTH": "\n    h = vmladavaq_p_s8(h, y, w, lanes);",
    "STORE": "\n  sums[4] = e, sums[5] = f, sums[6] = g, sums[7] = h;",
}
# Operand in r6, weight in r7; sums in registers that can do nothing but be added to.
_BASELINE_STEP = """
    ldrsb   r6, [r0, r2]
    ldrsb   r7, [r1, r2]
    muls    r7, r6, r7
    add     r8, r7
    ldrsb   r7, [r3, r2]
    muls    r7, r6, r7
    add     r9, r7
    ldrsb   r7, [r4, r2]
    muls    r7, r6, r7
    add     r12, r7
    ldrsb   r7, [r5, r2]
    muls    r7, r6, r7
    add     lr, r7
    adds    r2, r2, #1
"""
_BASELINE = f"""
    push    {{r3-r7, lr}}
    mov     r4, r8
    mov     r5, r9
    push    {{r4, r5}}
    adds    r0, r0, r2
    adds    r1, r1, r2
    adds    r3, r1, r2
    adds    r4, r3, r2
    adds    r5, r4, r2
    movs    r6, #0
    mov     r8, r6
    mov     r9, r6
    mov     r12, r6
    mov     lr, r6
    rsbs    r2, r2, #0
    lsrs    r6, r2, #1
    bcs     2f
1:{_BASELINE_STEP}2:{_BASELINE_STEP}    bne     1b
    ldr     r7, [sp, #8]
    mov     r3, r8
    mov     r4, r9
    mov     r5, r12
    mov     r6, lr
    stm     r7!, {{r3-r6}}
    pop     {{r4, r5}}
    mov     r8, r4
    mov     r9, r5
    pop     {{r3-r7, pc}}
"""
_RISCV_FILTERS = ("a1", "a5", "a6", "a7")
# Operand columns: pointer, the operand, its product, the sums with the four filters.
_RISCV_COLUMNS = (
    ("a0", "t4", "t6", ("t0", "t1", "t2", "t3")),
    ("a4", "t5", "a2", ("s0", "s1", "s2", "s3")),
)
_RISCV_SAVED = ("s4", *_RISCV_COLUMNS[1][3])


def _riscv_step(columns: int, offset: int) -> str:
    used = _RISCV_COLUMNS[:columns]
    lines = [f"lb {operand}, {offset}({pointer})" for pointer, operand, _, _ in used]
    for number, pointer in enumerate(_RISCV_FILTERS):
        lines += [f"lb a2, {offset}({pointer})"]
        # The weight's register takes the last product.
        lines += [f"mul {product}, a2, {operand}" for _, operand, product, _ in used]
        lines += [f"add {sums[number]}, {sums[number]}, {product}" for _, _, product, sums in used]
    return _lines(lines)


def _riscv(columns: int, unrolled: int) -> str:
    """The loop is entered where the rest of the length begins, with pointers that lie so far in front."""
    used, saved = _RISCV_COLUMNS[:columns], _RISCV_SAVED if columns > 1 else _RISCV_SAVED[:1]
    pointers = [*(pointer for pointer, _, _, _ in used), *_RISCV_FILTERS]
    sums = [register for _, _, _, registers in used for register in registers]
    start = ["addi sp, sp, -32", *(f"sw {register}, {4 * index}(sp)" for index, register in enumerate(saved))]
    start += ["add a4, a0, a4", "add a5, a1, a2", "add a6, a5, a2", "add a7, a6, a2", "add s4, a0, a2"]
    start += [f"li {register}, 0" for register in sums]
    start += ["neg t6, a2", f"andi t6, t6, {unrolled - 1}", *(f"sub {pointer}, {pointer}, t6" for pointer in pointers)]
    for skipped in range(1, unrolled):
        # With nothing to skip no branch is taken: the first place is next.
        start += ["addi t6, t6, -1", f"beqz t6, {skipped + 1}f"]
    places = "".join(f"{place + 1}:\n{_riscv_step(columns, place)}" for place in range(unrolled))
    end = [*(f"addi {pointer}, {pointer}, {unrolled}" for pointer in pointers), "bne a0, s4, 1b"]
    end += [f"sw {register}, {4 * index}(a3)" for index, register in enumerate(sums)]
    end += [f"lw {register}, {4 * index}(sp)" for index, register in enumerate(saved)]
    end += ["addi sp, sp, 32", "ret"]
    return _lines(start) + places + _lines(end)


def _lines(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)


def dot_function(program: Program, target: Target, columns: int, *, unrolled: int) -> str:
    """The symbol of the dot products of one or two columns for a core."""
    prototype = f"extern {_SIGNATURE};"
    if is_baseline(target):
        return program.assembly("dot", thumb_function(_BASELINE), prototype)
    if target.architecture is Architecture.RISCV32:
        return program.assembly("dot", assembly_function(_riscv(columns, unrolled)), prototype)
    if has_helium(target):
        program.include("arm_mve.h")
        parts = dict.fromkeys(_HELIUM_OTHER, "") if columns == 1 else _HELIUM_OTHER
        return program.function("dot", fill(_HELIUM, SIGNATURE=_SIGNATURE, **parts))
    return program.function("dot", (_C_ONE if columns == 1 else _C_TWO).replace("$SIGNATURE", _SIGNATURE))
