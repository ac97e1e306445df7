"""The worked example of a front end: its graph answers as numpy does, bad files get clear errors, and it compiles."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest

from lwm2m_ml.compiler import compile as compile_model
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.onnx_writer import write_onnx
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import InvalidInputError

EXAMPLE = Path(__file__).parents[2] / "examples" / "frontend"
FILE = (EXAMPLE / "perceptron.json").read_bytes()


@pytest.fixture(scope="module")
def layers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("layers", EXAMPLE / "layers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_graph_answers_as_numpy_does(layers: ModuleType) -> None:
    graph, examples = layers.read_layers(FILE)
    value = examples[:, 0, :].astype(numpy.float64)
    described = json.loads(FILE)["layers"]
    for layer in described:
        value = value @ numpy.asarray(layer["weights"]).T + numpy.asarray(layer["bias"])
        value = numpy.maximum(value, 0) if layer.get("activation") == "relu" else value
    powers = numpy.exp(value)
    answers = run(graph, {"input": examples})["probabilities"]
    numpy.testing.assert_allclose(answers[:, 0, :], powers / powers.sum(axis=1, keepdims=True), atol=1e-6)


def test_what_it_writes_compiles_and_is_proved(layers: ModuleType) -> None:
    graph, examples = layers.read_layers(FILE)
    made = compile_model(write_onnx(graph), load_target("cortex-m4f"), calibration=examples)
    assert made.instructions


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"layers": [], "examples": [1]}',
        b'{"layers": [{}], "examples": [[1]]}',
        b'{"layers": [{"weights": [[1, 2]], "bias": [0]}], "examples": [[1]]}',
        b'{"layers": [{"weights": [[1]], "bias": [0], "activation": "gelu"}], "examples": [[1]]}',
        b"[" * 100_000,
        b" " * (1 << 21),
    ],
)
def test_a_bad_file_is_named_as_one(layers: ModuleType, content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        layers.read_layers(content)


def test_the_document_shows_what_the_file_does() -> None:
    document = (EXAMPLE.parents[1] / "docs" / "write-a-front-end.md").read_text("utf-8")
    source = (EXAMPLE / "layers.py").read_text("utf-8")
    block: Any = document.split("```python\n")[1].split("```")[0]
    shown = [line for line in block.splitlines() if line.strip() and "FullyConnected()" not in line]
    missing = [line for line in shown if line.strip() not in source and "described = " not in line]
    assert missing == []
