"""MLPerf Tiny's models on every target: exact against LiteRT's reference kernels, on the recorded inputs."""

import os
from pathlib import Path

import pytest

from lwm2m_ml.compiler.backends.native import tuning
from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import float_graph, integer_graph
from lwm2m_ml.compiler.facts import CompiledModule
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Array, Graph
from lwm2m_ml.compiler.quantize.encoding import encoded
from lwm2m_ml.compiler.quantize.post_training import quantize
from lwm2m_ml.compiler.quantize.quality import noise_share, real_values
from lwm2m_ml.compiler.samples import read_samples
from lwm2m_ml.compiler.targets import load_target

MODELS = ("kws", "ic", "vww", "ad")
TARGETS = ("cortex-m0plus", "cortex-m4f", "cortex-m7", "cortex-m33", "rv32imc", "wasm32", "host")

# Flash, RAM, instructions on a Cortex-M4F by the compiler that comes along: a change that makes a module worse than
# this must be meant. Where Arm's GCC is installed too, "balanced" may give some flash for fewer instructions.
LIMITS = {
    "kws": (32_500, 10_500, 4_300_000),
    "ic": (84_500, 34_500, 17_000_000),
    "vww": (42_000, 36_000, 7_500_000),
    "ad": (274_500, 1_400, 400_000),
}


def _compiled(
    name: str, target: str, models: Path, *, optimize: str = "balanced", most: int | None = None
) -> CompiledModule:
    path = models / f"{name}_int8.tflite"
    named = os.environ.get("LWM2M_ML_SHARED")
    shared = Path(named) if named else Path(__file__).parents[2].parent / "shared"
    files = sorted((shared / "data" / "mlperf-tiny-inputs" / name).glob("*.bin"))[:most]
    graph, _ = integer_graph(path, None, "litert")
    inputs = read_samples(files, [graph.tensor(each) for each in graph.inputs]) if files else None
    module = compile_model(path, load_target(target), optimize=optimize, inputs=inputs)
    if files:
        assert len(module.vectors) == len(files)
    return module


def _check(module: CompiledModule) -> None:
    assert "LiteRT BUILTIN_REF" in module.compared_with
    assert (module.exact, module.max_abs_diff) == (True, 0)


@pytest.mark.parametrize("name", MODELS)
def test_module_for_cortex_m4f_is_exact_and_within_its_limits(
    name: str, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "serves", lambda target: False)
    module = _compiled(name, "cortex-m4f", tiny_models)
    _check(module)
    flash, ram, instructions = LIMITS[name]
    assert module.flash_bytes <= flash
    assert module.ram_bytes <= ram
    assert 0 < (module.instructions or 0) <= instructions


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "cortex-m4f"])
@pytest.mark.parametrize("name", ["kws", "ad"])
def test_small_models_are_exact_on_every_target(name: str, target: str, tiny_models: Path) -> None:
    _check(_compiled(name, target, tiny_models, most=2))


@pytest.mark.slow
@pytest.mark.parametrize("optimize", ["size", "balanced", "speed"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_exact_on_every_target(name: str, target: str, optimize: str, tiny_models: Path) -> None:
    _check(_compiled(name, target, tiny_models, optimize=optimize))


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_modules_with_tflm_rounding_equal_the_interpreter(name: str, target: str, tiny_models: Path) -> None:
    module = compile_model(tiny_models / f"{name}_int8.tflite", load_target(target), reference="tflm")
    assert module.exact
    assert module.compared_with == ("integer interpreter",)


# By how much the answers of float models, quantised here, may differ from those of LiteRT's own int8 conversion of the
# same models: the root of the mean square, as a share of the answers'. Both rest on other calibration data.
CONVERSION_TOLERANCE = {"ic": 0.1, "vww": 0.05, "ad": 0.03}


@pytest.mark.parametrize("name", CONVERSION_TOLERANCE)
def test_float_models_quantised_here_agree_with_litert_conversion(name: str, tiny_models: Path) -> None:
    theirs, _ = integer_graph(tiny_models / f"{name}_int8.tflite", None, "litert")
    files = sorted((tiny_models.parents[1] / "data" / "mlperf-tiny-inputs" / name).glob("*.bin"))
    if not files:
        pytest.skip("the recorded inputs are not here")
    real = read_samples(files, [theirs.tensor(theirs.inputs[0])])[theirs.inputs[0]]
    plain = float_graph(tiny_models / f"{name}_float32.tflite")
    ours = quantize(plain, real)
    answers, converted, wanted = (_real_answers(graph, real) for graph in (ours, theirs, plain))
    assert noise_share(converted, answers) ** 0.5 < CONVERSION_TOLERANCE[name]
    # No further from the float model than LiteRT's is.
    assert noise_share(wanted, answers) < 1.1 * noise_share(wanted, converted)


def _real_answers(graph: Graph, samples: Array) -> Array:
    given = encoded(graph.tensor(graph.inputs[0]), samples)
    output = graph.tensor(graph.outputs[0])
    return real_values(output, run(graph, {graph.inputs[0]: given})[output.name])
