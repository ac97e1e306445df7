"""ONNX operators that resize, go through sequences, convolve backwards …, against ONNX Runtime; quantised on cores."""

from collections.abc import Callable
from typing import Any

import numpy
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.passes.pipeline import simplify
from lwm2m_ml.compiler.targets import load_target

TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")
# Post-training quantisation with calibration on the very samples keeps more than this.
LEAST_DECIBELS = 30
node = helper.make_node
MakeModel = Callable[..., bytes]
_RANDOM = numpy.random.default_rng(31)
IMAGE = (1, 4, 9, 7)


def _weights(*shape: int, scale: float = 1.0) -> NDArray[numpy.float32]:
    return (_RANDOM.standard_normal(shape) * scale).astype(numpy.float32)


def _longs(*values: int) -> NDArray[numpy.int64]:
    return numpy.array(values, numpy.int64)


def _transposed(*shape: int, **attributes: Any) -> Any:
    groups = attributes.get("group", 1)
    constants = {"w": _weights(*shape), "b": _weights(shape[1] * groups)}
    return [node("ConvTranspose", ["x", "w", "b"], ["y"], **attributes)], constants, IMAGE


def _resize(mode: str, coordinates: str, height: int, width: int, rounding: str = "round_prefer_floor") -> Any:
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    return [node("Resize", ["x", "", "", "s"], ["y"], **attributes)], {"s": _longs(1, 4, height, width)}, IMAGE


def _recurrent(operator: str, gates: int, outputs: list[str], samples: int = 2, **attributes: Any) -> Any:
    rows = gates * 3
    constants = {
        "w": _weights(1, rows, 5, scale=0.5),
        "r": _weights(1, rows, 3, scale=0.5),
        "b": _weights(1, 2 * rows, scale=0.3),
    }
    return [node(operator, ["x", "w", "r", "b"], outputs, hidden_size=3, **attributes)], constants, (6, samples, 5)


CASES: dict[str, Any] = {
    "transposed convolution": _transposed(4, 5, 3, 2, strides=[2, 3], pads=[1, 0, 1, 2]),
    "transposed, output padding": _transposed(4, 5, 3, 3, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
    "transposed, output padding without padding": _transposed(4, 5, 3, 3, strides=[2, 2], output_padding=[1, 0]),
    "transposed, groups and dilation": _transposed(4, 3, 3, 2, strides=[2, 1], dilations=[1, 2], group=2),
    "transposed, same": _transposed(4, 3, 3, 3, strides=[2, 2], auto_pad="SAME_UPPER"),
    "transposed, given shape": _transposed(4, 3, 3, 3, strides=[2, 2], output_shape=[18, 14]),
    "transposed in one dimension": (
        [node("ConvTranspose", ["x", "w"], ["y"], strides=[2], pads=[1, 0])],
        {"w": _weights(4, 3, 3)},
        (1, 4, 9),
    ),
    "prelu": ([node("PRelu", ["x", "w"], ["y"])], {"w": _weights(4, 1, 1)}, IMAGE),
    "maximum": ([node("Max", ["x", "w"], ["y"])], {"w": _weights(4, 1, 1)}, IMAGE),
    "minimum": (
        [node("Relu", ["x"], ["r"]), node("Tanh", ["x"], ["t"]), node("Min", ["r", "t"], ["y"])],
        {},
        IMAGE,
    ),
    "hard sigmoid": ([node("HardSigmoid", ["x"], ["y"], alpha=0.2, beta=0.6)], {}, IMAGE),
    "elu": ([node("Elu", ["x"], ["y"])], {}, IMAGE),
    "resize by scales": (
        [node("Resize", ["x", "", "s"], ["y"])],
        {"s": numpy.array([1, 1, 2, 3], numpy.float32)},
        IMAGE,
    ),
    **{
        f"resize {mode} {coordinates} {height}×{width}": _resize(mode, coordinates, height, width)
        for mode in ("nearest", "linear")
        for coordinates in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
        for height, width in ((18, 14), (5, 3))
    },
    "resize nearest floor": _resize("nearest", "asymmetric", 12, 11, "floor"),
    "lstm": _recurrent("LSTM", 4, ["y", "h"]),
    "lstm, last state": _recurrent("LSTM", 4, ["", "y"], 1),
    "gru": _recurrent("GRU", 3, ["y", "h"]),
    "gru, reset after": _recurrent("GRU", 3, ["y", "h"], linear_before_reset=1),
}
ON_CORES = (
    "transposed convolution",
    "transposed, groups and dilation",
    "prelu",
    "maximum",
    "hard sigmoid",
    "resize linear half_pixel 5×3",
    "resize nearest floor",
    "lstm",
    "gru",
    "gru, reset after",
)


def _model(case: str, make_model: MakeModel) -> tuple[bytes, tuple[int, ...]]:
    nodes, constants, shape = CASES[case]
    return make_model(nodes, {name: numpy.asarray(values) for name, values in constants.items()}, shape), shape


def _expected(model: bytes, samples: NDArray[numpy.float32]) -> Any:
    session = onnxruntime.InferenceSession(model)
    return numpy.stack([session.run(None, {"x": sample})[0] for sample in samples])


@pytest.mark.parametrize("case", CASES)
def test_float_answers_equal_onnx_runtimes(case: str, make_model: MakeModel) -> None:
    model, shape = _model(case, make_model)
    samples = _weights(3, *shape)
    expected = _expected(model, samples)
    for graph in (load_model(model), simplify(load_model(model))):
        answers = run(graph, {graph.inputs[0]: samples})[graph.outputs[0]]
        assert answers.shape == expected.shape
        numpy.testing.assert_allclose(answers, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", ON_CORES)
def test_quantised_module_is_proved_and_close_to_the_float_model(case: str, target: str, make_model: MakeModel) -> None:
    model, shape = _model(case, make_model)
    samples = _weights(8, *shape)
    module = compile_model(model, load_target(target), calibration=samples, inputs=samples[:3])
    assert module.exact
    expected = _expected(model, samples[:3])
    output = module.outputs[0]
    codes = numpy.stack([numpy.frombuffer(answer, numpy.int8) for _, answer in module.vectors])
    noise = output.dequantize(codes).reshape(expected.shape) - expected
    assert 10 * numpy.log10((expected**2).mean() / (noise**2).mean()) > LEAST_DECIBELS


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", ["gru", "gru, reset after", "lstm, last state"])
def test_float_module_is_close_to_onnx_runtime(case: str, target: str, make_model: MakeModel) -> None:
    model, shape = _model(case, make_model)
    samples = _weights(2, *shape)
    module = compile_model(model, load_target(target), inputs=samples, precision="float32")
    answers = numpy.stack([numpy.frombuffer(answer, numpy.float32) for _, answer in module.vectors])
    expected = _expected(model, samples)
    numpy.testing.assert_allclose(answers.reshape(expected.shape), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "constants", "shape", "message"),
    [
        ([node("Resize", ["x", "", "", "s"], ["y"], mode="cubic")], {"s": _longs(1, 4, 18, 14)}, IMAGE, "cubic"),
        ([node("Resize", ["x", "", "", "s"], ["y"])], {"s": _longs(1, 8, 9, 7)}, IMAGE, "height and width"),
        (
            [node("GRU", ["x", "w", "r"], ["y"], hidden_size=3, direction="reverse")],
            {"w": _weights(1, 9, 5), "r": _weights(1, 9, 3)},
            (6, 2, 5),
            "forward",
        ),
        ([node("Elu", ["x"], ["y"], alpha=2.0)], {}, IMAGE, "alpha"),
    ],
)
def test_unsupported_form_is_named(nodes: Any, constants: Any, shape: Any, message: str, make_model: MakeModel) -> None:
    with pytest.raises(UnsupportedOperator) as caught:
        load_model(make_model(nodes, constants, shape))
    assert message in f"{caught.value.message} {caught.value.hint}"
