"""What each layer of a design costs: the module is built so that it can stop after any layer, and run for each."""

from collections.abc import Mapping
from itertools import pairwise

from lwm2m_ml.compiler.backends.native.arena import Step
from lwm2m_ml.compiler.backends.native.design import Design
from lwm2m_ml.compiler.backends.native.program import ENTRY, Program
from lwm2m_ml.compiler.emulator import open_runner
from lwm2m_ml.compiler.toolchain import compile_blob

_STACK_BYTES = 16 * 1024
# Where the number of the layer to stop after lies: behind the arena.
_STOP_BYTES = 16


def layer_instructions(design: Design, inputs: Mapping[str, bytes]) -> tuple[int, ...]:
    """Instructions of each step for these inputs, the few that stop the module included."""
    program = _program(design)
    flags = {"module.c": design.c_optimization}
    code = compile_blob(
        program.sources(), design.target, optimize=flags, entry=ENTRY, c_compiler=design.c_compiler
    ).code
    arena = design.arena_bytes + _STOP_BYTES
    runner = open_runner(code, design.target, arena_bytes=arena, stack_bytes=_STACK_BYTES)
    given = [(design.offsets[name], content) for name, content in inputs.items()]
    totals = [
        runner.invoke([*given, (design.arena_bytes, stop.to_bytes(4, "little"))], ()).instructions
        for stop in range(len(design.steps) + 1)
    ]
    return tuple(after - before for before, after in pairwise(totals))


def _program(design: Design) -> Program:
    """The module's program with a way out before each step."""
    program = Program()
    for number, step in enumerate(design.steps):
        program.call(f"if (*(volatile int32_t *)(arena + {design.arena_bytes}) == {number}) return 0;")
        statement = _statement(design, step, program)
        if statement:
            program.call(statement)
    return program


def _statement(design: Design, step: Step, program: Program) -> str:
    return step.kernel.emit(step.layer, program, design.arena.places(step, program))
