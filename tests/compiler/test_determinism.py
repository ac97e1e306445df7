"""The same arguments give the same bytes: in another process, with other hashes, with cold caches."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

_PROGRAM = """
import hashlib, pathlib, sys, numpy
from lwm2m_ml.compiler import compile
from lwm2m_ml.compiler.plan_digest import plan_digest
from lwm2m_ml.compiler.targets import load_target
model, calibration, target, optimize = sys.argv[1:]
samples = numpy.load(calibration) if calibration else None
module = compile(pathlib.Path(model), load_target(target), calibration=samples, optimize=optimize)
facts = (module.payload, module.arena_bytes, module.stack_bytes, module.instructions, module.inputs, module.outputs)
plan = (module.vectors, module.layers, module.buffers, plan_digest(module))
print(hashlib.sha256(repr((facts, plan)).encode()).hexdigest())
"""


def _digest(folder: Path, number: int, *arguments: object) -> str:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": str(number),
        "LWM2M_ML_CACHE": str(folder / f"cache{number}"),
        "TZ": ("UTC", "Asia/Tokyo")[number % 2],
    }
    command = [sys.executable, "-c", _PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=110, check=True)
    assert len(done.stdout.strip()) == hashlib.sha256().digest_size * 2
    return done.stdout


@pytest.mark.parametrize(("target", "optimize"), [("cortex-m4f", "balanced"), ("rv32imc", "size"), ("wasm32", "speed")])
def test_two_processes_make_the_same_module(
    target: str, optimize: str, digits_network: bytes, digits_samples: NDArray[numpy.float32], tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(digits_network)
    numpy.save(tmp_path / "samples.npy", digits_samples)
    arguments = (tmp_path / "model.onnx", tmp_path / "samples.npy", target, optimize)
    assert _digest(tmp_path, 1, *arguments) == _digest(tmp_path, 2, *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kws", "ic", "vww", "ad"])
def test_two_processes_make_the_same_module_of_a_real_model(name: str, tiny_models: Path, tmp_path: Path) -> None:
    arguments = (tiny_models / f"{name}_int8.tflite", "", "cortex-m4f", "balanced")
    assert _digest(tmp_path, 1, *arguments) == _digest(tmp_path, 2, *arguments)
