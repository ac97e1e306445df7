"""WebAssembly modules under wasmtime, where it is installed."""

import importlib.util

import pytest

from lwm2m_ml.compiler.emulator import (
    EmulationFault,
    InstructionLimitPassed,
    Runner,
    StackOverflow,
    open_runner,
)
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain import ToolchainError, compile_blob
from lwm2m_ml.errors import MissingExtraError

needs_wasmtime = pytest.mark.skipif(importlib.util.find_spec("wasmtime") is None, reason="wasmtime is not installed")

SCALE = """
#include <stdint.h>
static const int32_t scale[4] = {1, 10, 100, -1000};
int32_t module_invoke(void *arena) {
  const int8_t *x = arena;
  int32_t *y = (int32_t *)((uint8_t *)arena + 16);
  for (int i = 0; i < 4; i++) y[i] = x[i] * scale[i];
  return 0;
}
"""


def open_module(source: str, *, arena: int = 64, stack: int = 1024) -> Runner:
    target = load_target("wasm32")
    return open_runner(compile_blob({"m.c": source}, target).code, target, arena_bytes=arena, stack_bytes=stack)


def test_a_webassembly_module_is_small_and_always_the_same() -> None:
    blobs = [compile_blob({"m.c": SCALE}, load_target("wasm32")) for _ in range(2)]
    assert blobs[0] == blobs[1]
    assert blobs[0].code.startswith(b"\0asm\1\0\0\0")
    assert len(blobs[0].code) < 400


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ToolchainError, match="undefined symbol: other"):
        compile_blob({"m.c": "int other(void); int module_invoke(void *a) { return other(); }"}, load_target("wasm32"))


@needs_wasmtime
def test_inputs_go_in_and_outputs_come_out() -> None:
    runner = open_module(SCALE)
    for _ in range(2):
        done = runner.invoke([(0, bytes([1, 2, 3, 0xFC]))], [(16, 16)])
        values = [int.from_bytes(done.outputs[0][i : i + 4], "little", signed=True) for i in range(0, 16, 4)]
        assert values == [1, 20, 300, 4000]
        assert 10 < done.instructions < 200
        assert done.stack_bytes == 0
    assert runner.read_arena()[:4] == bytes([1, 2, 3, 0xFC])


@needs_wasmtime
def test_a_loop_is_counted_in_proportion_to_its_rounds() -> None:
    runner = open_module("int module_invoke(volatile int *a) { for (int i = *a; i; i--) a[1] = i; return 0; }")
    counts = [runner.invoke([(0, rounds.to_bytes(4, "little"))], []).instructions for rounds in (160, 320, 480)]
    assert counts[2] - counts[1] == counts[1] - counts[0] > 100


@needs_wasmtime
def test_a_large_arena_grows_the_memory() -> None:
    runner = open_module("int module_invoke(char *a) { a[299999] = 7; return 0; }", arena=300_000)
    assert runner.invoke([], [(299_999, 1)]).outputs == (b"\7",)


@needs_wasmtime
@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("int module_invoke(volatile int *a) { for (;;) *a = 1; }", InstructionLimitPassed, "100,000 instructions"),
        ("int module_invoke(int *a) { return 3; }", EmulationFault, "returned 3"),
        ("int module_invoke(int *a) { return a[1 << 20] & 0 | 1; }", EmulationFault, "out of bounds|returned 1"),
        ("int module_invoke(volatile int *a) { return *(volatile int *)(1 << 30); }", EmulationFault, "out of bounds"),
        ("int module_invoke(volatile int *a) { __builtin_trap(); }", EmulationFault, "unreachable"),
        (
            "int module_invoke(int *a) { volatile char b[900]; for (int i = 0; i < 900; i++) b[i] = 1; return 0; }",
            StackOverflow,
            "of a 512-byte stack",
        ),
        (
            "int module_invoke(int *a) { volatile char b[9000]; for (int i = 0; i < 9000; i++) b[i] = 1; return 0; }",
            EmulationFault,
            "out of bounds",
        ),
    ],
)
def test_misbehaving_modules_are_stopped(source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_module(source, stack=512).invoke([], [], instruction_limit=100_000)


@needs_wasmtime
@pytest.mark.parametrize("payload", [b"", b"\0asm\1\0\0\0", b"garbage" * 20])
def test_garbage_is_refused(payload: bytes) -> None:
    with pytest.raises(EmulationFault):
        open_runner(payload, load_target("wasm32"), arena_bytes=16, stack_bytes=16)


def test_without_wasmtime_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wasmtime", None)
    with pytest.raises(MissingExtraError, match=r"lwm2m-ml\[wasm\]"):
        open_runner(b"", load_target("wasm32"), arena_bytes=16, stack_bytes=16)


def test_other_targets_open_in_the_emulator() -> None:
    target = load_target("cortex-m0plus")
    blob = compile_blob({"m.c": SCALE}, target)
    runner = open_runner(blob.code, target, arena_bytes=64, stack_bytes=256)
    assert runner.invoke([(0, bytes(4))], [(16, 4)]).outputs == (bytes(4),)
