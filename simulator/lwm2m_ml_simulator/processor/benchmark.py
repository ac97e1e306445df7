"""The benchmark of 42769/x/29: how many multiply-accumulates per second a plain loop does on this CPU.

The loop is machine code that every Cortex-M, or every RV32 core with M, can run; it uses no extension for signals.
"""

import struct

from lwm2m_ml.compiler.emulator import ModuleRunner
from lwm2m_ml.compiler.targets import Target

ROUNDS = 1000
_THUMB = (
    0x2100,  # movs r1, #0
    0x22FA,  # movs r2, #250
    0x0092,  # lsls r2, r2, #2
    0x2303,  # loop: movs r3, #3
    0x4353,  # muls r3, r2
    0x18C9,  # adds r1, r1, r3
    0x3A01,  # subs r2, #1
    0xD1FA,  # bne loop
    0x2000,  # movs r0, #0
    0x4770,  # bx lr
)
_RISC_V = (
    0x00000593,  # li a1, 0
    0x3E800613,  # li a2, 1000
    0x00300693,  # loop: li a3, 3
    0x02C686B3,  # mul a3, a3, a2
    0x00D585B3,  # add a1, a1, a3
    0xFFF60613,  # addi a2, a2, -1
    0xFE0618E3,  # bnez a2, loop
    0x00000513,  # li a0, 0
    0x00008067,  # ret
)
_ARENA_BYTES, _STACK_BYTES = 16, 64


def program(target: Target) -> bytes:
    """Return the machine code of the loop."""
    if target.name.startswith("rv32") or target.core.startswith("rv32"):
        return struct.pack(f"<{len(_RISC_V)}I", *_RISC_V)
    return struct.pack(f"<{len(_THUMB)}H", *_THUMB)


def multiply_accumulates_per_second(target: Target, clock_hz: float) -> float:
    """Run the loop on the emulated CPU and count its instructions, as inferences are counted."""
    runner = ModuleRunner(program(target), target, arena_bytes=_ARENA_BYTES, stack_bytes=_STACK_BYTES)
    return ROUNDS * clock_hz / runner.invoke([], []).instructions
