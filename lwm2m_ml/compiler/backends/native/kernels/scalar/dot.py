"""Dot products of one or two columns of operands with four filters: assembly where C would spill, else portable C."""

from lwm2m_ml.compiler.backends.native.kernels.scalar import is_baseline
from lwm2m_ml.compiler.backends.native.program import Program
from lwm2m_ml.compiler.targets import Architecture, Target

FILTERS = 4
# The sums of the first column with the four filters, then those of the column `step` bytes further.
_SIGNATURE = "void @NAME@(const int8_t *column, const int8_t *weights, int32_t length, int32_t *sums, int32_t step)"
_C = """
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
_HEAD = """
    .section .text.@NAME@, "ax", %progbits
    .balign 4
    .globl  @NAME@
    .hidden @NAME@
    .type   @NAME@, %function
"""
_TAIL = """
    .size   @NAME@, . - @NAME@
"""
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
    .syntax unified
    .thumb{_HEAD}    .thumb_func
@NAME@:
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
    pop     {{r3-r7, pc}}{_TAIL}"""
_UNROLLED = 4
_RISCV_POINTERS = ("a0", "a4", "a1", "a5", "a6", "a7")
_RISCV_SUMS = (("t0", "s0"), ("t1", "s1"), ("t2", "s2"), ("t3", "s3"))


def _riscv_step(offset: int) -> str:
    lines = [f"lb t4, {offset}(a0)", f"lb t5, {offset}(a4)"]
    for pointer, (first, second) in zip(_RISCV_POINTERS[2:], _RISCV_SUMS, strict=True):
        lines += [f"lb a2, {offset}({pointer})", "mul t6, a2, t4", "mul a2, a2, t5"]
        lines += [f"add {first}, {first}, t6", f"add {second}, {second}, a2"]
    return "".join(f"    {line}\n" for line in lines)


def _riscv() -> str:
    """The loop is entered where the rest of the length begins, with pointers that lie so far in front."""
    saved = [*(second for _, second in _RISCV_SUMS), "s4"]
    lines = ["addi sp, sp, -32"]
    lines += [f"sw {register}, {4 * index}(sp)" for index, register in enumerate(saved)]
    lines += ["add a4, a0, a4", "add a5, a1, a2", "add a6, a5, a2", "add a7, a6, a2", "add s4, a0, a2"]
    lines += [f"li {register}, 0" for pair in _RISCV_SUMS for register in pair]
    lines += ["neg t6, a2", f"andi t6, t6, {_UNROLLED - 1}"]
    lines += [f"sub {pointer}, {pointer}, t6" for pointer in _RISCV_POINTERS]
    for skipped in range(1, _UNROLLED):
        lines += ["addi t6, t6, -1", f"beqz t6, {skipped + 1}f"]
    # With nothing to skip no branch is taken: the first place is next.
    text = "".join(f"    {line}\n" for line in lines)
    for place in range(_UNROLLED):
        text += f"{place + 1}:\n{_riscv_step(place)}"
    lines = [f"addi {pointer}, {pointer}, {_UNROLLED}" for pointer in _RISCV_POINTERS]
    lines += ["bne a0, s4, 1b"]
    lines += [f"sw {first}, {4 * index}(a3)" for index, (first, _) in enumerate(_RISCV_SUMS)]
    lines += [f"sw {second}, {4 * (4 + index)}(a3)" for index, (_, second) in enumerate(_RISCV_SUMS)]
    lines += [f"lw {register}, {4 * index}(sp)" for index, register in enumerate(saved)]
    lines += ["addi sp, sp, 32", "ret"]
    return _HEAD + "@NAME@:\n" + text + "".join(f"    {line}\n" for line in lines) + _TAIL


def columns_at_once(target: Target) -> int:
    """How many columns a call takes; a second one costs registers that the smallest cores do not have."""
    return 1 if is_baseline(target) else 2


def dot_function(program: Program, target: Target) -> str:
    """The symbol of the dot products for a core."""
    prototype = f"extern {_SIGNATURE};"
    if is_baseline(target):
        return program.assembly("dot", _BASELINE, prototype)
    if target.architecture is Architecture.RISCV32:
        return program.assembly("dot", _riscv(), prototype)
    return program.function("dot", _C.replace("$SIGNATURE", _SIGNATURE))
