"""Every backend compiles digits and keyword spotting for a target of its own, and what it made answers right."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import evaluate
from lwm2m_ml.compiler.emulator import open_runner
from lwm2m_ml.compiler.execution import linkable_sources
from lwm2m_ml.compiler.facts import CompiledModule
from lwm2m_ml.compiler.saved_module import FACTS_FILE, load_module, save_module
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain import compile_blob, gcc, xtensa

Floats = NDArray[numpy.float32]

# A target that is typical of each backend, and what executes its modules.
TARGETS = {
    "native": ("nrf52840", "unicorn, cortex-m4f"),
    "wasm": ("wasm32", "wasmtime"),
    "tflite": ("esp32", "LiteRT BUILTIN_REF"),
    "c": ("esp32-s3", "unicorn, x86-64"),
}


def _answers_again(module: CompiledModule, folder: Path) -> None:
    """Written, read and run as a user would, the module gives the answers that were proved."""
    save_module(module, folder)
    loaded = load_module(folder)
    target = load_target(loaded.target)
    for given, expected in module.vectors[:2]:
        done = loaded.run(target, {loaded.inputs[0].name: given}, stack_bytes=16 * 1024)
        assert done.outputs == (expected,)


@pytest.mark.parametrize("backend", TARGETS)
def test_digits(backend: str, digits_network: bytes, digits_samples: Floats, tmp_path: Path) -> None:
    target, executor = TARGETS[backend]
    module = compile_model(
        digits_network, load_target(target), backend=backend, calibration=digits_samples, inputs=digits_samples[:6]
    )
    assert (module.backend, module.executor, module.exact) == (backend, executor, True)
    reference = evaluate(digits_network, digits_samples, digits_samples[:6])
    assert [answer for _, answer in module.vectors] == [row.tobytes() for row in reference]
    _answers_again(module, tmp_path)


@pytest.mark.parametrize("backend", TARGETS)
def test_keyword_spotting_agrees_with_litert(backend: str, tiny_models: Path, tmp_path: Path) -> None:
    target, executor = TARGETS[backend]
    module = compile_model(tiny_models / "kws_int8.tflite", load_target(target), backend=backend)
    assert (module.executor, module.exact) == (executor, True)
    assert "LiteRT BUILTIN_REF" in module.compared_with
    _answers_again(module, tmp_path)


def test_float_model_stays_one_in_every_format(digits_network: bytes, digits_samples: Floats) -> None:
    for backend in ("tflite", "c", "wasm"):
        module = compile_model(
            digits_network,
            load_target("cortex-m4f"),
            backend=backend,
            inputs=digits_samples[:2],
            precision="float32",
        )
        assert module.max_abs_diff is not None
        assert module.max_abs_diff < 1e-4


def test_figures_say_whether_they_were_measured(digits_network: bytes) -> None:
    native, sources, graph = (
        compile_model(digits_network, load_target(target), backend=backend)
        for backend, target in (("native", "cortex-m4f"), ("c", "esp32"), ("tflite", "cortex-m4f"))
    )
    assert (native.cost.basis, native.cost.instructions) == ("measured", native.instructions)
    # What an x86 executes says little of an Xtensa.
    assert (sources.cost.basis, sources.cost.source) == ("estimated", "unicorn, x86-64")
    assert (graph.cost.basis, graph.instructions) == ("estimated", None)


def test_interpreted_module_names_its_operators(digits_network: bytes, tmp_path: Path) -> None:
    module = compile_model(digits_network, load_target("cortex-m4f"), backend="tflite")
    assert module.operators == (
        "ADD",
        "AVERAGE_POOL_2D",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "MAX_POOL_2D",
        "RESHAPE",
        "SOFTMAX",
    )
    save_module(module, tmp_path)
    header = (tmp_path / "op_resolver.h").read_text()
    assert "kModelOperators = 8;" in header
    assert "resolver.AddDepthwiseConv2D();" in header
    assert json.loads((tmp_path / FACTS_FILE).read_text())["operators"] == list(module.operators)


def test_zip_of_sources_is_complete(digits_network: bytes, tmp_path: Path) -> None:
    module = compile_model(digits_network, load_target("cortex-m4f"), backend="c")
    path = save_module(module, tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert {
            "include/lwm2m_ml_model.h",
            "src/model.c",
            "CMakeLists.txt",
            "zephyr/module.yml",
            "zephyr/CMakeLists.txt",
            "zephyr/Kconfig",
        } <= set(archive.namelist())
        source = archive.read("src/model.c").decode()
    assert "malloc" not in source
    assert "__" not in source.replace("__attribute__", "")


def test_sources_for_the_esp8266_are_measured_by_its_own_compiler(digits_network: bytes) -> None:
    if xtensa.xtensa_version() is None:
        pytest.skip("xtensa-lx106-elf-gcc is not installed")
    module = compile_model(digits_network, load_target("esp8266"), backend="c")
    assert module.exact
    assert "xtensa-lx106-elf-gcc" in module.cost.source
    assert 1_000 < module.cost.flash_bytes < 10_000
    other = compile_model(digits_network, load_target("esp32"), backend="c")
    assert "xtensa" not in other.cost.source


def test_sources_answer_right_when_arms_gcc_compiles_them(digits_network: bytes, digits_samples: Floats) -> None:
    target = load_target("cortex-m4f")
    if not gcc.serves(target):
        pytest.skip("arm-none-eabi-gcc is not installed")
    module = compile_model(digits_network, target, backend="c", calibration=digits_samples, inputs=digits_samples[:3])
    blob = compile_blob(linkable_sources(module.payload), target, c_compiler="gcc")
    runner = open_runner(blob.code, target, arena_bytes=module.arena_bytes, stack_bytes=4096)
    (given,), (answered,) = module.inputs, module.outputs
    for sample, expected in module.vectors:
        assert runner.invoke([(given.offset, sample)], [(answered.offset, answered.bytes)]).outputs == (expected,)


def test_second_compiler_never_makes_it_worse(digits_network: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    target = load_target("cortex-m3")
    if not gcc.serves(target):
        pytest.skip("arm-none-eabi-gcc is not installed")
    both = compile_model(digits_network, target, optimize="speed")
    monkeypatch.setattr("lwm2m_ml.compiler.backends.native.tuning.serves", lambda _: False)
    alone = compile_model(digits_network, target, optimize="speed")
    assert both.exact
    assert (both.instructions or 0) <= (alone.instructions or 0)


def test_same_model_gives_the_same_zip(digits_network: bytes) -> None:
    first, second = (compile_model(digits_network, load_target("esp32"), backend="c").payload for _ in range(2))
    assert first == second


def test_cmake_project_builds_and_runs(digits_network: bytes, tmp_path: Path) -> None:
    if shutil.which("cmake") is None or shutil.which("cc") is None:
        pytest.skip("cmake or a C compiler is not installed")
    module = compile_model(digits_network, load_target("cortex-m4f"), backend="c")
    with zipfile.ZipFile(save_module(module, tmp_path / "module")) as archive:
        archive.extractall(tmp_path / "model")
    given, expected = module.vectors[0]
    (tmp_path / "main.c").write_text(_MAIN.format(given=_bytes(given), expected=_bytes(expected)))
    (tmp_path / "CMakeLists.txt").write_text(_PROJECT)
    for command in (["cmake", "-S", ".", "-B", "build"], ["cmake", "--build", "build"], ["build/program"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def _bytes(values: bytes) -> str:
    return ", ".join(str(value) for value in numpy.frombuffer(values, numpy.int8))


_PROJECT = """cmake_minimum_required(VERSION 3.13)
project(program C)
add_compile_options(-Wall -Wextra -Werror -pedantic)
add_subdirectory(model)
add_executable(program main.c)
target_link_libraries(program lwm2m_ml_model)
"""
_MAIN = """#include <string.h>
#include "lwm2m_ml_model.h"
static const int8_t given[] = {{{given}}};
static const int8_t expected[] = {{{expected}}};
static union {{ uint64_t aligned[2]; uint8_t bytes[LWM2M_ML_MODEL_ARENA_BYTES + 16]; }} memory;
int main(void)
{{
  const lwm2m_ml_model_t *model = &lwm2m_ml_model;
  uint8_t *arena = memory.bytes + (16 - (uintptr_t)memory.bytes % 16) % 16;
  if (model->api_version != LWM2M_ML_MODEL_API_VERSION || model->inputs[0].bytes != sizeof given) return 1;
  if (lwm2m_ml_model_run(model, NULL) != LWM2M_ML_MODEL_BAD_ARENA) return 2;
  if (lwm2m_ml_model_run(model, arena + 4) != LWM2M_ML_MODEL_BAD_ARENA) return 3;
  if (lwm2m_ml_model_input(model, arena, 1) != NULL || model->outputs[0].type != LWM2M_ML_INT8) return 4;
  memcpy(lwm2m_ml_model_input(model, arena, 0), given, sizeof given);
  if (lwm2m_ml_model_run(model, arena) != LWM2M_ML_MODEL_OK) return 5;
  return memcmp(lwm2m_ml_model_output(model, arena, 0), expected, sizeof expected) == 0 ? 0 : 6;
}}
"""
