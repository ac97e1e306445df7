"""emlearn's trees and perceptrons: digits, and a keyword spotter of the size that it serves, proved on a small core."""

import importlib.util
import subprocess
import sys
from typing import Any

import numpy
import onnxruntime
import pytest
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.neural_network import MLPClassifier

from lwm2m_ml.compiler.backends.isolation import BackendRefused
from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.errors import UnsupportedTarget
from lwm2m_ml.compiler.facts import CompiledModule
from lwm2m_ml.compiler.targets import load_target

# Looked for, not imported: it sets numpy's errors for the whole process, which the package under test takes care of.
pytestmark = pytest.mark.skipif(importlib.util.find_spec("emlearn") is None, reason="emlearn is not installed")

Floats = NDArray[numpy.float32]
IMAGES, DIGITS = load_digits(return_X_y=True)
IMAGES = IMAGES.astype(numpy.float32)
# The features of MLPerf Tiny's keyword spotter: 49 frames of 10 coefficients, 12 words.
SOUNDS = numpy.random.default_rng(2).standard_normal((120, 490)).astype(numpy.float32)
WORDS = numpy.arange(120) % 12


def _compiled(model: Any, samples: Floats, target: str) -> CompiledModule:
    content = _exported(model, samples)
    return compile_model(content, load_target(target), backend="emlearn", precision="float32", inputs=samples[:20])


def _exported(model: Any, samples: Floats) -> bytes:
    content: bytes = to_onnx(model, samples[:1]).SerializeToString()
    return content


def _classes(module: CompiledModule) -> list[int]:
    return [int(numpy.frombuffer(answer, numpy.float32).argmax()) for _, answer in module.vectors]


def _by_onnxruntime(model: Any, samples: Floats) -> list[int]:
    session = onnxruntime.InferenceSession(_exported(model, samples))
    return [int(label) for label in session.run(None, {session.get_inputs()[0].name: samples[:20]})[0]]


@pytest.mark.parametrize("target", ["cortex-m0plus", "nrf52840", "rv32imc"])
def test_forest_knows_digits(target: str) -> None:
    model = RandomForestClassifier(8, max_depth=8, random_state=0).fit(IMAGES, DIGITS)
    module = _compiled(model, IMAGES, target)
    assert (module.backend, module.format, module.proved) == ("emlearn", "native-pic", True)
    assert module.max_abs_diff is not None
    assert module.max_abs_diff < 1e-6
    assert module.cost.basis == "measured"
    assert _classes(module) == _by_onnxruntime(model, IMAGES)


def test_perceptron_knows_digits() -> None:
    model = MLPClassifier((16,), max_iter=60, tol=1e-1, random_state=0).fit(IMAGES, DIGITS)
    module = _compiled(model, IMAGES, "cortex-m4f")
    assert (module.max_abs_diff or 0) < 1e-4
    assert _classes(module) == _by_onnxruntime(model, IMAGES)


def test_perceptron_spots_keywords() -> None:
    model = MLPClassifier((24,), max_iter=30, tol=1e-1, random_state=0).fit(SOUNDS, WORDS)
    module = _compiled(model, SOUNDS, "cortex-m4f")
    assert (module.max_abs_diff or 0) < 1e-4
    assert module.inputs[0].shape == (1, 490)
    assert _classes(module) == _by_onnxruntime(model, SOUNDS)


def test_boosting_adds_up() -> None:
    module = _compiled(GradientBoostingRegressor(n_estimators=6, random_state=0).fit(IMAGES, DIGITS), IMAGES, "rv32imc")
    assert (module.max_abs_diff or 0) < 1e-5


def test_convolutions_are_refused_by_name(digits_network: bytes) -> None:
    with pytest.raises(BackendRefused, match=r"it does not know .*Convolution"):
        compile_model(digits_network, load_target("cortex-m4f"), backend="emlearn", precision="float32")


def test_integers_are_refused(digits_network: bytes) -> None:
    with pytest.raises(BackendRefused, match="does not compute int8, only float32"):
        compile_model(digits_network, load_target("cortex-m4f"), backend="emlearn")


def test_core_without_a_compiler_is_refused() -> None:
    with pytest.raises(UnsupportedTarget, match="emlearn cannot compile for esp32"):
        compile_model(b"", load_target("esp32"), backend="emlearn")


def test_the_generators_leave_numpy_as_it_is() -> None:
    script = (
        "import numpy; before = numpy.geterr(); import lwm2m_ml.compiler.backends.emlearn.sources; "
        "assert numpy.geterr() == before, numpy.geterr()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
