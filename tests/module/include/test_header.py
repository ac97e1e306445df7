"""The C header: compilers take it without a warning, and its numbers are those of the Python side."""

import pathlib
import re
import subprocess
import sys

import pytest

from lwm2m_ml.module.descriptor import ModuleFormat
from lwm2m_ml.module.envelope import MAXIMUM_ELEMENT_BYTES
from lwm2m_ml.module.include import HEADER
from lwm2m_ml.module.manifest import Label, PayloadEncoding
from lwm2m_ml.module.results import ModuleResult, ModuleState

TEXT = HEADER.read_text(encoding="utf-8")
TARGETS = {
    "cortex-m0plus": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"),
    "cortex-m4f": ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4"),
    "rv32imc": ("-target", "riscv32-freestanding-ilp32", "-mcpu=generic_rv32+m+c"),
}
PROGRAM = """#include "lwm2m_ml_module.h"
int32_t infer(const void *image, void *arena) { return lwm2m_ml_invoke(image, arena); }
"""


@pytest.mark.parametrize(("language", "target"), [("c99", target) for target in TARGETS] + [("c++11", "cortex-m4f")])
def test_compilers_take_it_without_a_warning(language: str, target: str, tmp_path: pathlib.Path) -> None:
    compiler, suffix = ("cc", "c") if language == "c99" else ("c++", "cpp")
    source = tmp_path / f"use.{suffix}"
    source.write_text(PROGRAM)
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-std={language}"]
    output = ["-c", "-o", str(tmp_path / "use.o"), f"-I{HEADER.parent}", str(source)]
    command = [sys.executable, "-m", "ziglang", compiler, *TARGETS[target], *warnings, *output]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert completed.returncode == 0, completed.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_the_reference_verifier_is_plain_c99(target: str, tmp_path: pathlib.Path) -> None:
    source = HEADER.with_name("lwm2m_ml_verifier.c")
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-std=c99", "-Os"]
    output = ["-c", "-o", str(tmp_path / "verifier.o"), str(source)]
    command = [sys.executable, "-m", "ziglang", "cc", *TARGETS[target], *warnings, *output]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert completed.returncode == 0, completed.stderr


@pytest.mark.parametrize(
    ("prefix", "numbers"),
    [("RESULT", ModuleResult), ("STATE", ModuleState), ("ENCODING", PayloadEncoding), ("FORMAT", ModuleFormat)],
)
def test_its_enumerations_are_those_of_the_objects(
    prefix: str, numbers: type[ModuleResult | ModuleState | PayloadEncoding | ModuleFormat]
) -> None:
    found = re.findall(rf"LWM2M_ML_{prefix}_(\w+) = (\d+)", TEXT)
    assert {name: int(value) for name, value in found} == {entry.name: entry.value for entry in numbers}


def test_its_labels_and_limits_are_those_of_the_envelope() -> None:
    labels = re.findall(r"LWM2M_ML_ELEMENT_(\w+) \(?(-?\d+)\)?", TEXT)
    assert {name: int(value) for name, value in labels} == {label.name: label.value for label in Label}
    limits = dict(re.findall(r"LWM2M_ML_(\w+)_MAXIMUM (\d+)", TEXT))
    assert int(limits["MANIFEST"]) == MAXIMUM_ELEMENT_BYTES[Label.MANIFEST]
    assert int(limits["AUTHENTICATION"]) == MAXIMUM_ELEMENT_BYTES[Label.AUTHENTICATION]
