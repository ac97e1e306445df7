"""Files as TensorFlow's converter writes them (`make_models.py` made them), on emulated cores against LiteRT."""

from pathlib import Path
from typing import Any

import numpy
import pytest

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.passes.pipeline import simplify
from lwm2m_ml.compiler.targets import load_target

TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")
MODELS = Path(__file__).parent / "models"


def _names(precision: str) -> list[str]:
    return sorted(path.name for path in MODELS.glob(f"*_{precision}.tflite"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", _names("int8"))
def test_int8_module_equals_litert(name: str, target: str, bench: Any) -> None:
    content = (MODELS / name).read_bytes()
    module = compile_model(content, load_target(target))
    assert module.exact
    given = [[numpy.frombuffer(one, numpy.int8).reshape(module.inputs[0].shape)] for one, _ in module.vectors]
    assert [answer for _, answer in module.vectors] == [row[0].tobytes() for row in bench.litert(content, given)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [*_names("float32"), *_names("float16")])
def test_float_module_is_close_to_litert(name: str, target: str, bench: Any) -> None:
    content = (MODELS / name).read_bytes()
    graph = simplify(load_model(content))
    samples = bench.samples(graph, 3)
    expected = bench.litert(content, samples)
    numpy.testing.assert_allclose(bench.emulate(graph, target, samples), expected, atol=1e-5)
