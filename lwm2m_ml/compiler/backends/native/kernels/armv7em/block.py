"""The inner loop of convolutions in assembly: two output channels × three pixels at a time."""

from lwm2m_ml.compiler.backends.native.kernels.assembly import thumb_function
from lwm2m_ml.compiler.backends.native.program import Program
from lwm2m_ml.compiler.reference.requantization import Requantization

PIXELS = 3
PROTOTYPE = (
    "typedef const uint32_t *block_kernel(const uint32_t *stream, const uint32_t *columns, int8_t *output, "
    "int32_t stride, int32_t groups, int32_t pairs, int32_t rounding, int32_t low, int32_t high);\n"
    "extern block_kernel @NAME@;"
)

# Sums of 256·A + B in r4-r6 and of B in r7-r9, one per pixel; see stream.py.
_HALF = """
    ldm     r0!, {r10, r11}
    ldm     r1!, {r2, r3, r12}
    smlad   r4, r10, r2, r4
    smlad   r5, r10, r3, r5
    smlad   r6, r10, r12, r6
    sxtb16  r10, r10
    smlad   r7, r10, r2, r7
    smlad   r8, r10, r3, r8
    smlad   r9, r10, r12, r9
    ldm     r1!, {r2, r3, r12}
    smlad   r4, r11, r2, r4
    smlad   r5, r11, r3, r5
    smlad   r6, r11, r12, r6
    sxtb16  r11, r11
    smlad   r7, r11, r2, r7
    smlad   r8, r11, r3, r8
    smlad   r9, r11, r12, r9
"""
_PROLOGUE = """
    @ stack: columns, output, stride, saved registers; then groups 48, pairs 52, rounding 56, low 60, high 64
    push    {r1-r11, lr}
1:  ldr     r1, [sp]
    ldr     lr, [sp, #48]
    movs    r4, #0
    movs    r5, #0
    movs    r6, #0
    movs    r7, #0
    mov     r8, r4
    mov     r9, r4
    lsrs.w  lr, lr, #1
    bcc     2f
    add     lr, lr, #1
    b       3f
2:
"""
_BETWEEN = "3:\n"
_FIRST_CHANNEL = """
    subs    lr, lr, #1
    bne     2b
    ldm     r0!, {r2, r3}
    ldr     r11, [sp, #56]
    and     r10, r2, #31
    sub     r2, r2, r10
    asrs    r2, r2, #4
    lsl     r11, r11, r10
    asr     r11, r11, #1
    sub     r4, r4, r7
    sub     r5, r5, r8
    sub     r6, r6, r9
    ldrd    r12, lr, [sp, #4]
"""
_SECOND_CHANNEL = """
    strb    r4, [r12]
    strb    r5, [r12, lr]
    strb    r6, [r12, lr, lsl #1]
    ldm     r0!, {r2, r3}
    ldr     r11, [sp, #56]
    and     r10, r2, #31
    sub     r2, r2, r10
    asrs    r2, r2, #4
    lsl     r11, r11, r10
    asr     r11, r11, #1
"""
_EPILOGUE = """
    strb    r7, [r12, #1]!
    strb    r8, [r12, lr]
    strb    r9, [r12, lr, lsl #1]
    adds    r12, r12, #1
    str     r12, [sp, #4]
    ldr     r2, [sp, #52]
    subs    r2, r2, #1
    str     r2, [sp, #52]
    bne     1b
    pop     {r1-r11, pc}
"""


def _scaled(registers: tuple[str, ...], shift: str, requantization: Requantization) -> str:
    """Sums to results: bias in r2, multiplier in r3, shift in r10, rounding and zero point together in r11."""
    lines = []
    for register in registers:
        lines += [f"add {register}, r2, {register}, {shift}", f"smmulr {register}, {register}, r3"]
        # Halves round away from zero; below the zero point that makes no difference when all of it is clamped.
        if requantization.low < requantization.zero_point:
            lines.append(f"add {register}, {register}, {register}, asr #31")
        lines += [f"add {register}, {register}, r11", f"asr {register}, {register}, r10"]
        lines.append(f"ssat {register}, #8, {register}")
    for limit, offset, condition in ((requantization.low, 60, "lt"), (requantization.high, 64, "gt")):
        if limit not in (-128, 127):
            lines.append(f"ldr r1, [sp, #{offset}]")
            for register in registers:
                lines += [f"cmp {register}, r1", f"it {condition}", f"mov{condition} {register}, r1"]
    return "".join(f"    {line}\n" for line in lines)


def block_function(program: Program, requantization: Requantization) -> str:
    """The symbol of the block kernel with the roundings and limits that a layer needs."""
    first = _scaled(("r4", "r5", "r6"), "asr #7", requantization)
    second = _scaled(("r7", "r8", "r9"), "lsl #1", requantization)
    text = _PROLOGUE + _HALF + _BETWEEN + _HALF + _FIRST_CHANNEL + first + _SECOND_CHANNEL + second + _EPILOGUE
    return program.assembly("block", thumb_function(text), PROTOTYPE)


def rounding_term(requantization: Requantization) -> int:
    """Shifted left by a channel's shift and halved, it rounds to nearest and adds the zero point."""
    return 2 * requantization.zero_point + 1
