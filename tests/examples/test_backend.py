"""The worked example of a backend: installed as a user would, found, checked, and used."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from onnx import TensorProto, helper, numpy_helper

EXAMPLE = Path(__file__).parents[2] / "examples" / "backend"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs `lwm2m-ml` where the example is installed."""
    place = tmp_path_factory.mktemp("example")
    (place / "perceptron.onnx").write_bytes(_perceptron())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    command = [*pip, "--no-build-isolation", "--target", "site", str(EXAMPLE)]
    subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=100)

    def lwm2m_ml(*arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(place / "site")}
        command = [sys.executable, "-m", "lwm2m_ml", *map(str, arguments)]
        return subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=110, check=False
        )

    return lwm2m_ml


def _perceptron() -> bytes:
    random = numpy.random.default_rng(5)
    first, second = (random.standard_normal(shape).astype(numpy.float32) for shape in ((6, 8), (3, 6)))
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w1"], ["h"], transB=1),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Gemm", ["r", "w2"], ["y"], transB=1),
        ],
        "perceptron",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(first, "w1"), numpy_helper.from_array(second, "w2")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def test_it_is_listed(run: Run) -> None:
    done = run("backends", "list", "--json")
    found = {each["name"]: each for each in json.loads(done.stdout)}
    assert found["perceptron"]["distribution"] == "lwm2m-ml-perceptron"
    assert found["perceptron"]["isolated"]
    assert not found["native"]["isolated"]


def test_it_passes_the_conformance_suite(run: Run) -> None:
    done = run("backends", "check", "perceptron", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads(done.stdout)
    assert {each["outcome"] for each in checks} == {"passed"}
    assert {each["name"] for each in checks} >= {
        "declaration",
        "perceptron, int8: answers right",
        "images, int8: refused in order",
    }


def test_it_compiles_a_model_that_answers_right(run: Run) -> None:
    done = run("compile", "perceptron.onnx", "--target", "rp2040", "--backend", "perceptron", "--json", "-o", "out")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["backend"], facts["format"], facts["exact"]) == ("perceptron", "wasm", True)
    assert (facts["proved_by"], facts["cost"]["basis"]) == ("wasmtime", "measured")


def test_it_is_compared_with_ours(run: Run) -> None:
    done = run("compile", "perceptron.onnx", "--target", "rp2040", "--backend", "all", "--json")
    assert done.returncode == 0, done.stderr
    compared = {each["backend"]: each for each in json.loads(done.stdout)}
    assert {name for name, each in compared.items() if each["compiled"]} >= {
        "native",
        "wasm",
        "tflite",
        "c",
        "perceptron",
    }
