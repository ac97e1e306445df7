"""Graphs written as ONNX: ONNX Runtime and the own reader find the same answers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper

from lwm2m_ml.compiler.compilation import float_graph
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.onnx_writer import write_onnx
from lwm2m_ml.compiler.quantize.post_training import quantize

node = helper.make_node
MakeModel = Callable[..., bytes]
_RANDOM = numpy.random.default_rng(5)


def _weights(*shape: int) -> NDArray[numpy.float32]:
    return _RANDOM.standard_normal(shape).astype(numpy.float32)


CASES: dict[str, tuple[Sequence[Any], dict[str, NDArray[Any]], tuple[int, ...]]] = {
    "convolutions": (
        [
            node("Conv", ["x", "a"], ["1"], strides=[2, 1], pads=[1, 0, 2, 1]),
            node("LeakyRelu", ["1"], ["2"], alpha=0.2),
            node("Conv", ["2", "b"], ["3"], group=4),
            node("HardSwish", ["3"], ["4"]),
            node("Conv", ["4", "c"], ["y"], group=2, dilations=[1, 2]),
        ],
        {"a": _weights(4, 2, 3, 3), "b": _weights(4, 1, 2, 2), "c": _weights(6, 2, 1, 2)},
        (1, 2, 9, 8),
    ),
    "pools and means": (
        [
            node("MaxPool", ["x"], ["1"], kernel_shape=[3, 2], strides=[1, 2], pads=[1, 0, 1, 1]),
            node("AveragePool", ["1"], ["2"], kernel_shape=[2, 2], pads=[1, 1, 0, 0]),
            node("GlobalAveragePool", ["2"], ["3"]),
            node("Elu", ["3"], ["y"]),
        ],
        {},
        (1, 3, 8, 8),
    ),
    "arithmetic": (
        [
            node("Mul", ["x", "a"], ["1"]),
            node("Sub", ["1", "x"], ["2"]),
            node("Max", ["2", "b"], ["3"]),
            node("Clip", ["3", "low", "high"], ["4"]),
            node("PRelu", ["2", "c"], ["5"]),
            node("Concat", ["4", "5"], ["6"], axis=1),
            node("Softmax", ["6"], ["y"], axis=1),
        ],
        {
            "a": _weights(3, 1, 1),
            "b": _weights(1, 1, 1, 1),
            "c": _weights(3, 1, 1),
            "low": numpy.array(0, numpy.float32),
            "high": numpy.array(6, numpy.float32),
        },
        (1, 3, 4, 5),
    ),
    "movement": (
        [
            node("Transpose", ["x"], ["1"], perm=[0, 2, 1, 3]),
            node("Pad", ["1", "pads", "value"], ["2"]),
            node("Slice", ["2", "starts", "ends", "axes", "steps"], ["3"]),
            node("Reshape", ["3", "shape"], ["4"]),
            node("Tanh", ["4"], ["y"]),
        ],
        {
            "pads": numpy.array([0, 0, 1, 0, 0, 1, 0, 2]),
            "value": numpy.array(0.5, numpy.float32),
            "starts": numpy.array([1]),
            "ends": numpy.array([5]),
            "axes": numpy.array([1]),
            "steps": numpy.array([2]),
            "shape": numpy.array([1, 4, -1]),
        },
        (1, 3, 6, 4),
    ),
    "perceptron": (
        [
            node("Gemm", ["x", "a", "b"], ["1"], transB=1),
            node("Sigmoid", ["1"], ["2"]),
            node("Gemm", ["2", "c"], ["3"], transB=1),
            node("HardSigmoid", ["3"], ["4"], alpha=1 / 6),
            node("Softmax", ["4"], ["y"]),
        ],
        {"a": _weights(7, 5), "b": _weights(7), "c": _weights(3, 7)},
        (1, 5),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_written_model_answers_as_the_graph_does(name: str, make_model: MakeModel) -> None:
    graph = float_graph(make_model(*CASES[name]))
    content = write_onnx(graph, metadata={"a": "b"})
    samples = _RANDOM.standard_normal((4, *graph.tensor(graph.inputs[0]).shape)).astype(numpy.float32)
    expected = run(graph, {graph.inputs[0]: samples})[graph.outputs[0]]
    session = onnxruntime.InferenceSession(content)
    answers = numpy.stack([session.run(None, {graph.inputs[0]: sample})[0] for sample in samples])
    assert answers == pytest.approx(expected, abs=1e-5)
    again = float_graph(content)
    assert run(again, {again.inputs[0]: samples})[again.outputs[0]] == pytest.approx(expected, abs=1e-6)
    assert again.inputs == graph.inputs
    assert {entry.key: entry.value for entry in onnx.load_model_from_string(content).metadata_props} == {"a": "b"}


def test_reading_what_was_written_finds_the_same_layers(digits_network: bytes) -> None:
    graph = float_graph(digits_network)
    again = float_graph(write_onnx(graph))
    assert [operation.kind for operation in again.operations] == [operation.kind for operation in graph.operations]
    assert again.outputs == graph.outputs


def test_the_same_graph_gives_the_same_bytes(digits_network: bytes) -> None:
    graph = float_graph(digits_network)
    assert write_onnx(graph) == write_onnx(graph)


def test_what_has_no_word_in_onnx_is_named(make_model: MakeModel, digits_network: bytes) -> None:
    how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    resize = node("Resize", ["x", "", "scales"], ["y"], **how)
    graph = load_model(make_model([resize], {"scales": numpy.array([1, 1, 2, 2], numpy.float32)}, (1, 1, 2, 2)))
    with pytest.raises(UnsupportedOperator, match="ResizeNearest"):
        write_onnx(graph)
    with pytest.raises(UnsupportedOperator, match="quantised"):
        write_onnx(quantize(float_graph(digits_network), None))
