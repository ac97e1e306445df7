"""Where the instructions go, function by function."""

import pytest

from lwm2m_ml.compiler.emulator import ModuleRunner, instructions_by_function
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain import Symbol, compile_blob

SOURCE = """
__attribute__((noinline)) static void often(volatile int *a) { for (int i = 0; i < 400; i++) *a = i; }
__attribute__((noinline)) static void seldom(volatile int *a) { for (int i = 0; i < 4; i++) *a = i; }
int module_invoke(volatile int *a) { often(a); seldom(a); often(a); return 0; }
"""


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4f", "rv32imc", "x86-64", "aarch64"])
def test_functions_share_the_instructions_of_the_last_invocation(core: str) -> None:
    target = load_target(core)
    blob = compile_blob({"m.c": SOURCE}, target, optimize="size")
    runner = ModuleRunner(blob.code, target, arena_bytes=16, stack_bytes=256, profile=True)
    for _ in range(2):
        done = runner.invoke([], [])
        shares = instructions_by_function(runner.profile(), blob.symbols.values())
        assert sum(shares.values()) == done.instructions
        assert set(shares) == {"often", "seldom", "module_invoke"}
        assert next(iter(shares)) == "often"
        assert shares["often"] > 50 * shares["seldom"] > 0


def test_without_asking_there_is_no_profile() -> None:
    target = load_target("cortex-m0plus")
    runner = ModuleRunner(compile_blob({"m.c": SOURCE}, target).code, target, arena_bytes=16, stack_bytes=256)
    runner.invoke([], [])
    assert runner.profile() == {}


def test_what_belongs_to_no_function_is_kept() -> None:
    symbols = [Symbol("f", 8, 8, True), Symbol("data", 0, 8, False), Symbol("mark", 20, 0, True)]
    assert instructions_by_function({0: 1, 8: 2, 14: 3, 16: 4, 20: 5}, symbols) == {"": 10, "f": 5}
