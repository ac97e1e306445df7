"""Assembly for depthwise convolution of one channel: a plane of 16-bit operands in, two results per turn."""

from lwm2m_ml.compiler.backends.native.kernels.assembly import thumb_function
from lwm2m_ml.compiler.backends.native.program import Program
from lwm2m_ml.compiler.reference.requantization import Requantization

# State of a channel, in words: six pairs of weights, then what the stack frame begins with.
STATE_WORDS = 14
PROTOTYPE = "extern void @NAME@(const int16_t *plane, int8_t *output, const uint32_t *state);"

# Stack: 0 bias, 4 multiplier, 8 rounding, 12 shift, 16 step of the output, 20 columns left, 24 rows left, 28 pitch,
# 32 columns, 36 first row of the window.
_PROLOGUE = """
    push    {r4-r11, lr}
    sub     sp, sp, #44
    add     lr, r2, #24
    ldm     lr, {r4-r11}
    stm     sp, {r4-r11}
    str     r9, [sp, #32]
    ldm     r2, {r4-r9}
1:  str     r0, [sp, #36]
    ldr     r10, [sp, #28]
    add     r12, r0, r10
    add     lr, r12, r10
    ldr     r10, [sp, #32]
    str     r10, [sp, #20]
2:  ldr     r2, [sp]
    mov     r3, r2
"""
_ROWS = (("r0", "r4", "r5"), ("r12", "r6", "r7"), ("lr", "r8", "r9"))
# x0 x1 and x2 x3 in r10 and r11: results at columns 0 and 1 share them.
_STRIDE_ONE = """
    ldrd    r10, r11, [{row}], #4
    smlad   r2, r10, {w01}, r2
    smlabt  r2, r11, {w12}, r2
    smlatb  r3, r10, {w01}, r3
    smlad   r3, r11, {w12}, r3
"""
_STRIDE_TWO = """
    ldrd    r10, r11, [{row}], #8
    smlad   r2, r10, {w01}, r2
    smlabt  r2, r11, {w12}, r2
    smlad   r3, r11, {w01}, r3
    ldr     r10, [{row}]
    smlabt  r3, r10, {w12}, r3
"""
_SCALE = """
    ldr     r10, [sp, #4]
    smmulr  r2, r2, r10
    smmulr  r3, r3, r10
{away}    ldrd    r10, r11, [sp, #8]
    add     r2, r2, r10
    add     r3, r3, r10
    asr     r2, r2, r11
    asr     r3, r3, r11
    ssat    r2, #8, r2
    ssat    r3, #8, r3
{limits}    ldrd    r10, r11, [sp, #16]
    strb    r2, [r1]
    subs    r11, r11, #2
    str     r11, [sp, #20]
    it      pl
    strbpl  r3, [r1, r10]
    add     r1, r1, r10, lsl #1
    bgt     2b
    it      mi
    submi   r1, r1, r10
    ldr     r0, [sp, #36]
    ldr     r10, [sp, #28]
    add     r0, r0, r10{twice}
    ldr     r10, [sp, #24]
    subs    r10, r10, #1
    str     r10, [sp, #24]
    bne     1b
    add     sp, sp, #44
    pop     {{r4-r11, pc}}
"""
_AWAY_FROM_ZERO = """    add     r2, r2, r2, asr #31
    add     r3, r3, r3, asr #31
"""


def plane_function(program: Program, requantization: Requantization, stride: int) -> str:
    """The symbol of the plane kernel for a stride and the roundings and limits that a layer needs."""
    step = _STRIDE_ONE if stride == 1 else _STRIDE_TWO
    rows = "".join(step.format(row=row, w01=w01, w12=w12) for row, w01, w12 in _ROWS)
    scale = _SCALE.format(
        away=_AWAY_FROM_ZERO if requantization.low < requantization.zero_point else "",
        limits=limit_text(requantization, ("r2", "r3"), "r10"),
        twice=", lsl #1" if stride == 2 else "",
    )
    return program.assembly("plane", thumb_function(_PROLOGUE + rows + scale), PROTOTYPE)


def limit_text(requantization: Requantization, registers: tuple[str, ...], spare: str) -> str:
    """Instructions that limit results further than int8 does; the limits are constants, for such layers are rare."""
    lines = []
    for limit, condition in ((requantization.low, "lt"), (requantization.high, "gt")):
        if limit not in (-128, 127):
            lines += [f"mvn {spare}, #{~limit}" if limit < 0 else f"mov {spare}, #{limit}"]
            for register in registers:
                lines += [f"cmp {register}, {spare}", f"it {condition}", f"mov{condition} {register}, {spare}"]
    return "".join(f"    {line}\n" for line in lines)


GATHER_PROTOTYPE = """extern void @NAME@(const int8_t *channel, int16_t *plane, int32_t step, int32_t columns,
  int32_t rows, int32_t gap);"""
_GATHER = """
    push    {r4-r7, lr}
    ldrd    r6, r7, [sp, #20]
1:  mov     lr, r3
    lsrs    r4, r3, #1
    bcc     3f
    ldrsb   r4, [r0]
    strh    r4, [r1], #2
    add     r0, r0, r2
    subs    lr, lr, #1
    beq     4f
3:  ldrsb   r4, [r0]
    ldrsb   r5, [r0, r2]
    strh    r4, [r1]
    strh    r5, [r1, #2]
    adds    r1, r1, #4
    add     r0, r0, r2, lsl #1
    subs    lr, lr, #2
    bne     3b
4:  adds    r1, r1, r7
    subs    r6, r6, #1
    bne     1b
    pop     {r4-r7, pc}
"""


def gather_function(program: Program) -> str:
    """The symbol of the copy of one channel of an image into the inside of a plane; `gap` is in bytes."""
    return program.assembly("gather", thumb_function(_GATHER), GATHER_PROTOTYPE)
