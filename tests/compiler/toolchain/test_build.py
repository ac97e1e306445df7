"""From C to a flat blob: deterministic, position-independent, with clear refusals."""

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from lwm2m_ml.compiler.isa_check import InstructionSetError
from lwm2m_ml.compiler.targets import load_target, target_names
from lwm2m_ml.compiler.toolchain import NotPositionIndependent, ToolchainError, compile_blob
from lwm2m_ml.errors import UsageError

NATIVE = tuple(
    name
    for name in target_names()
    if load_target(name).is_core and load_target(name).can_compile and not name.startswith("wasm")
)
TABLES = """
#include <stdint.h>
static const int8_t weights[300] = {1, 2, 3};
static const int32_t biases[7] = {4, 5, 6};
static __attribute__((noinline)) int32_t helper(int64_t a, int shift) { return (int32_t)(a >> shift); }
int32_t module_invoke(void *arena) {
  int32_t *x = arena;
  for (int i = 0; i < 300; i++) x[i] = helper((int64_t)x[i] * biases[i % 7], weights[i]);
  return 0;
}
"""


@pytest.mark.parametrize("name", NATIVE)
def test_the_entry_comes_first_and_constants_last(name: str) -> None:
    blob = compile_blob({"m.c": TABLES}, load_target(name))
    entry = blob.symbols["module_invoke"]
    assert (blob.entry_offset, entry.offset, entry.is_function) == (0, 0, True)
    weights = blob.symbols["weights"]
    assert not weights.is_function
    assert blob.code[weights.offset : weights.offset + 4] == b"\1\2\3\0"
    assert blob.code_ranges[0][0] == 0
    assert all(end <= weights.offset for _, end in blob.code_ranges)
    assert 0 < blob.instruction_bytes < len(blob.code) - 300
    assert len(blob.code) % 4 == 0


@pytest.mark.parametrize("name", ["cortex-m0plus", "cortex-m4f", "rv32imc"])
@pytest.mark.parametrize("optimize", ["size", "balanced", "speed"])
def test_bytes_do_not_depend_on_the_cache(
    name: str, optimize: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compile_blob({"m.c": TABLES}, load_target(name), optimize=optimize)
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path / "another place"))
    assert compile_blob({"m.c": TABLES}, load_target(name), optimize=optimize) == first


def test_several_files_with_their_own_optimisation_share_headers() -> None:
    sources = {
        "shared.h": "int twice(int);\n",
        "twice.c": '#include "shared.h"\nint twice(int x) { return x * 2; }',
        "main.c": '#include "shared.h"\nint module_invoke(int *arena) { *arena = twice(*arena); return 0; }',
    }
    blob = compile_blob(sources, load_target("cortex-m4f"), optimize={"main.c": "size", "twice.c": "speed"})
    assert {"twice", "module_invoke"} <= set(blob.symbols)


def test_assembly_and_c_link_together() -> None:
    assembly = """
    .syntax unified
    .thumb
    .section .text.plus_one,"ax"
    .global plus_one
    .type plus_one,%function
    .thumb_func
plus_one:
    adds r0, #1
    bx lr
    .size plus_one, . - plus_one
    """
    main = "int plus_one(int); int module_invoke(int *arena) { return plus_one(*arena); }"
    blob = compile_blob({"kernel.S": assembly, "main.c": main}, load_target("cortex-m0plus"))
    assert blob.symbols["plus_one"].size == 4


def test_what_nothing_calls_is_left_out() -> None:
    source = (
        "static const char big[9999] = {1}; int unused(int i) { return big[i]; } int module_invoke(void) { return 0; }"
    )
    assert len(compile_blob({"m.c": source}, load_target("cortex-m0plus")).code) <= 8


@pytest.mark.parametrize("name", ["cortex-m0plus", "cortex-m7", "rv32imc", "x86-64", "aarch64"])
@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("int x; int module_invoke(void) { return x++; }", NotPositionIndependent, r"\.writable \(x\)"),
        ("int x = 3; int module_invoke(void) { return x++; }", NotPositionIndependent, r"\.writable \(x\)"),
        (
            'static const char *const t[] = {"a", "b"}; const void *module_invoke(int *a) { return t + *a; }',
            NotPositionIndependent,
            "'t' holds the absolute address",
        ),
        ("extern int q; int module_invoke(void) { return q; }", ToolchainError, "undefined symbol: q"),
        ("int y(void); int module_invoke(void) { return y(); }", ToolchainError, "undefined symbol: y"),
        ("int module_invoke(void) { retrn 1; }", ToolchainError, r"m\.c:1:27: error: .*retrn"),
        ("static int module_invoke(void) { return 1; }", ToolchainError, "not at offset 0"),
        (
            "static const int t __attribute__((aligned(64))) = 3; const int *module_invoke(void) { return &t; }",
            NotPositionIndependent,
            "alignment of 64",
        ),
        ('#include "/etc/hostname"\nint module_invoke(void) { return 0; }', ToolchainError, "error"),
    ],
)
def test_what_cannot_be_a_module_is_refused_in_one_sentence(
    name: str, source: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        compile_blob({"m.c": source}, load_target(name))
    assert "/lwm2m-ml-" not in str(caught.value)


def test_instructions_that_the_target_lacks_are_refused() -> None:
    source = 'int module_invoke(int a) { int r; __asm__("smlad %0, %1, %1, %1" : "=r"(r) : "r"(a)); return r; }'
    compile_blob({"m.c": source}, load_target("cortex-m4f"))
    bytes_of_smlad = source.replace("smlad %0, %1, %1, %1", ".inst.w 0xfb200000")
    with pytest.raises(InstructionSetError, match=r"smlad.*needs dsp"):
        compile_blob({"m.c": bytes_of_smlad}, load_target("cortex-m3"))


@pytest.mark.parametrize("name", ["../m.c", "a/b.c", "m.cpp", "-o.c", "m.c;rm", ".c", "m\n.c", "@file.c"])
def test_names_that_are_no_source_file_are_refused(name: str) -> None:
    with pytest.raises(ToolchainError, match="no name for a source file"):
        compile_blob({name: "int module_invoke(void) { return 0; }"}, load_target("cortex-m0plus"))


@pytest.mark.parametrize("name", ["esp32"])
def test_targets_without_a_compiler_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="makes no machine code"):
        compile_blob({"m.c": TABLES}, load_target(name))


def test_unknown_optimisation_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="size, balanced, speed"):
        compile_blob({"m.c": TABLES}, load_target("cortex-m0plus"), optimize="fast")


def test_nothing_to_compile_is_refused() -> None:
    with pytest.raises(ToolchainError, match="nothing to compile"):
        compile_blob({"only.h": ""}, load_target("cortex-m0plus"))


def _build_in_a_process(name: str) -> bytes:
    return compile_blob({"m.c": TABLES}, load_target(name)).code


def test_several_processes_build_the_same_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path))
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        results = pool.map(_build_in_a_process, ["cortex-m0plus"] * 6)
    assert len(set(results)) == 1
    assert not list(tmp_path.rglob(".new-*"))


def test_importing_the_toolchain_stays_light() -> None:
    command = "import sys, lwm2m_ml.compiler.toolchain; print('unicorn' in sys.modules, 'numpy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["False", "False"]
