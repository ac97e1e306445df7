"""Preprocessing that a model declares becomes part of the module: scale and mean, spectrograms, MFCCs."""

import json
from collections.abc import Callable
from typing import Any

import numpy
import onnx
import pytest
import scipy.fft
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper
from scipy.signal import get_window

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import float_graph, integer_graph
from lwm2m_ml.compiler.errors import UnreadableModel
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir.signals import Spectrogram
from lwm2m_ml.compiler.reference.spectrogram import mel_weights, spectrogram
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import InvalidInputError

Floats = NDArray[Any]
MakeModel = Callable[..., bytes]
SOUND = {"samples": 512, "frame_length": 100, "frame_step": 80, "fft_length": 128, "sample_rate": 8000}
MEL = {**SOUND, "mel_bands": 12, "lowest_hz": 80, "highest_hz": 3800}


def _declaring(content: bytes, declaration: Any) -> bytes:
    model = onnx.load_model_from_string(content)
    text = declaration if isinstance(declaration, str) else json.dumps(declaration)
    model.metadata_props.add(key="lwm2m-ml.preprocessing", value=text)
    changed: bytes = model.SerializeToString()
    return changed


def _model(make_model: MakeModel, *shape: int) -> bytes:
    """One layer on everything, so that nothing of the preprocessing is at the end."""
    weights = numpy.random.default_rng(1).standard_normal((6, int(numpy.prod(shape)))).astype(numpy.float32) / 8
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"], transB=1)]
    return make_model(nodes, {"w": weights}, (1, *shape))


def _answers(content: bytes, samples: Floats) -> Floats:
    graph = float_graph(content)
    return run(graph, {graph.inputs[0]: samples.astype(numpy.float32)})[graph.outputs[0]]


@pytest.mark.parametrize("shape", [(3, 4, 4), (4, 4, 3)])
def test_scale_mean_and_deviation_per_channel(shape: tuple[int, ...], make_model: MakeModel) -> None:
    plain = _model(make_model, *shape)
    declared: dict[str, Any] = {"scale": 1 / 255, "mean": [0.4, 0.5, 0.6], "deviation": [0.2, 0.3, 0.4]}
    pixels = numpy.random.default_rng(2).integers(0, 256, (5, 1, *shape))
    channels = [-1 if axis == shape.index(3) + 1 else 1 for axis in range(4)]
    mean, deviation = (numpy.reshape(declared[key], channels) for key in ("mean", "deviation"))
    expected = _answers(plain, (pixels / 255 - mean) / deviation)
    assert _answers(_declaring(plain, declared), pixels) == pytest.approx(expected, abs=1e-4)


def test_module_takes_bytes_of_the_sensor_as_they_are(make_model: MakeModel) -> None:
    content = _declaring(_model(make_model, 1, 4, 4), {"scale": 1 / 255, "mean": [0.5]})
    pixels = numpy.random.default_rng(2).integers(0, 256, (20, 1, 1, 4, 4)).astype(numpy.float32)
    module = compile_model(content, load_target("cortex-m0plus"), calibration=pixels / 2)
    fact = module.inputs[0]
    assert (fact.scale, fact.zero_point, fact.dtype) == (1.0, -128, "int8")
    assert fact.quantize(pixels).tolist() == (pixels - 128).astype(numpy.int8).tolist()
    assert module.exact


def test_spectrum_equals_scipy() -> None:
    signals = numpy.random.default_rng(3).standard_normal((2, 1, 512))
    kind = Spectrogram(100, 80, 128)
    found = spectrogram(kind, [signals])[:, 0]
    starts = numpy.arange(kind.frames(512)) * 80
    frames = numpy.stack([signals[:, 0, start : start + 100] for start in starts], axis=1)
    expected = numpy.abs(scipy.fft.rfft(frames * get_window("hann", 100), 128))
    assert found.shape == (2, 6, 65)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_mel_triangles_cover_the_band_once() -> None:
    weights = mel_weights(Spectrogram(100, 80, 512, 20, 8000, 100, 3500))
    inside = weights.sum(axis=1)[(weights.argmax(axis=1) > 0) & (weights.argmax(axis=1) < 19)]
    assert inside == pytest.approx(1, abs=1e-9)
    assert (weights.max(axis=0) > 0.5).all()
    assert weights[0].max() == 0


def test_mfcc_is_the_cosine_transform_of_the_logarithm(make_model: MakeModel) -> None:
    declared = {"spectrogram": MEL, "log_floor": 1e-3, "coefficients": 5}
    plain = _model(make_model, 6, 5)
    signals = numpy.random.default_rng(4).standard_normal((4, 1, 512))
    bands = spectrogram(Spectrogram(**{key: value for key, value in MEL.items() if key != "samples"}), [signals])
    expected = scipy.fft.dct(numpy.log(numpy.maximum(bands, 1e-3)), type=2, axis=-1)[..., :5] / numpy.sqrt(2 * 12)
    assert _answers(_declaring(plain, declared), signals) == pytest.approx(
        _answers(plain, expected), rel=1e-3, abs=1e-3
    )


@pytest.mark.parametrize(
    ("target", "declared", "shape"),
    [
        ("cortex-m4f", {"spectrogram": SOUND}, (6, 65)),
        (
            "cortex-m0plus",
            {"spectrogram": MEL, "log_floor": 1e-3, "coefficients": 5, "mean": [1.0], "deviation": [3.0]},
            (1, 6, 5),
        ),
    ],
)
def test_signal_processing_is_proved_inside_an_int8_module(
    target: str, declared: Any, shape: tuple[int, ...], make_model: MakeModel
) -> None:
    content = _declaring(_model(make_model, *shape), declared)
    signals = numpy.random.default_rng(5).standard_normal((12, 1, 512)).astype(numpy.float32)
    module = compile_model(content, load_target(target), calibration=signals)
    assert (module.inputs[0].dtype, module.outputs[0].dtype) == ("float32", "int8")
    assert module.inputs[0].shape == (1, 512)
    assert module.max_abs_diff is not None
    assert module.max_abs_diff <= 1
    assert module.weight_bytes < 6 * int(numpy.prod(shape)) + 1000


def test_float_module_computes_the_spectrum_within_the_float_tolerance(make_model: MakeModel) -> None:
    content = _declaring(_model(make_model, 6, 12), {"spectrogram": MEL, "log_floor": 1e-3})
    signals = numpy.random.default_rng(6).standard_normal((6, 1, 512)).astype(numpy.float32)
    module = compile_model(content, load_target("cortex-m4f"), inputs=signals, precision="float32")
    assert module.max_abs_diff is not None
    assert module.max_abs_diff < 1e-3


@pytest.mark.parametrize(
    "declared",
    [
        "{",
        "[]",
        {"colour": 1},
        {"scale": "x"},
        {"scale": float("inf")},
        {"range": [5, 5]},
        {"deviation": [0]},
        {"mean": [1, 2]},
        {"spectrogram": {}},
        {"spectrogram": {**SOUND, "fft_length": 100}},
        {"spectrogram": {**SOUND, "fft_length": 1 << 40}},
        {"spectrogram": {**SOUND, "samples": 1 << 40}},
        {"spectrogram": {**SOUND, "frame_step": 0}},
        {"spectrogram": {**MEL, "highest_hz": 9000}},
        {"spectrogram": {**SOUND, "colour": 1}},
        {"spectrogram": MEL, "coefficients": 13},
        {"spectrogram": MEL, "log_floor": "x"},
    ],
)
def test_impossible_declarations_are_named(declared: Any, make_model: MakeModel) -> None:
    with pytest.raises(InvalidInputError):
        integer_graph(_declaring(_model(make_model, 6, 4), declared), None, "litert")


_VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(),
    lambda item: st.lists(item) | st.dictionaries(st.text(), item),
    max_leaves=4,
)
_DECLARATIONS = st.dictionaries(st.sampled_from(["scale", "mean", "range", "spectrogram"]), _VALUES).map(json.dumps)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | _DECLARATIONS)
def test_any_declaration_is_read_or_refused(text: str, make_model: MakeModel) -> None:
    try:
        graph = float_graph(_declaring(_model(make_model, 6, 4), text))
    except InvalidInputError:
        return
    assert graph.inputs == ("x",)


def test_unreadable_declaration_names_the_keys(make_model: MakeModel) -> None:
    with pytest.raises(UnreadableModel, match="spectrogram"):
        float_graph(_declaring(_model(make_model, 2, 2), {"colour": 1}))
