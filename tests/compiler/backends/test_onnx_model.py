"""The ONNX form of a graph: onnxruntime answers as the integer interpreter does, within a step of rounding."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.backends.conformance_models import MODELS
from lwm2m_ml.compiler.backends.onnx_model import onnx_model
from lwm2m_ml.compiler.compilation import integer_graph
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import DataType, Graph, Quantization, kinds
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import Padding, UnaryFunction

Codes = NDArray[Any]
_QUANTIZATION = Quantization.per_tensor(0.05, -7)


def _samples(graph: Graph, count: int = 6) -> dict[str, Codes]:
    random = numpy.random.default_rng(4)
    return {
        name: random.integers(-128, 128, (count, *graph.tensor(name).shape)).astype(numpy.int8)
        if graph.tensor(name).dtype is DataType.INT8
        else random.standard_normal((count, *graph.tensor(name).shape)).astype(numpy.float32)
        for name in graph.inputs
    }


def _by_onnxruntime(content: bytes, graph: Graph, samples: dict[str, Codes]) -> dict[str, Codes]:
    options = onnxruntime.SessionOptions()
    # Fused integer kernels round in ways of their own.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options)
    rows = [
        session.run(list(graph.outputs), {name: values[index] for name, values in samples.items()})
        for index in range(len(next(iter(samples.values()))))
    ]
    return {name: numpy.stack([row[number] for row in rows]) for number, name in enumerate(graph.outputs)}


def _furthest(graph: Graph) -> float:
    content = onnx_model(graph)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    samples = _samples(graph)
    expected, answers = run(graph, samples), _by_onnxruntime(content, graph, samples)
    return max(
        float(numpy.abs(answers[name].astype(numpy.float64) - expected[name].astype(numpy.float64)).max())
        for name in graph.outputs
    )


@pytest.mark.parametrize("name", MODELS)
def test_int8_model_is_at_most_two_steps_off(name: str) -> None:
    """Each layer rounds in its own way, and the models have several."""
    assert _furthest(MODELS[name](DataType.INT8)) <= 2


@pytest.mark.parametrize("name", MODELS)
def test_float_model_is_the_same(name: str) -> None:
    assert _furthest(MODELS[name](DataType.FLOAT32)) < 1e-4


def test_digits_keep_their_classes(digits_network: bytes, digits_samples: NDArray[numpy.float32]) -> None:
    graph, _ = integer_graph(digits_network, digits_samples, "litert")
    assert _furthest(graph) <= 3


def test_keyword_spotting_is_near(tiny_models: Path) -> None:
    graph, _ = integer_graph(tiny_models / "kws_int8.tflite", None, "litert")
    assert _furthest(graph) <= 12


def _graph_of(kind: Any, shape: tuple[int, ...], result: Quantization = _QUANTIZATION) -> Graph:
    builder = GraphBuilder()
    given = builder.variable("x", shape, DataType.INT8, _QUANTIZATION)
    return builder.finish([given], [builder.add(kind, [given], "y", quantization=result)])


@pytest.mark.parametrize(
    "kind",
    [
        kinds.Pad((0, 1, 0, 0), (0, 0, 2, 0)),
        kinds.Slice((0, 1, 0, 0), (1, 4, 4, 3), (1, 2, 1, 1)),
        kinds.Transpose((0, 2, 1, 3)),
        kinds.Mean((1, 2)),
        kinds.Requantize(),
        kinds.ResizeNearest((0, 0, 1, 3), (3, 1, 1)),
        kinds.Unary(UnaryFunction.TANH),
        kinds.Unary(UnaryFunction.LEAKY_RELU, 0.1),
        kinds.Unary(UnaryFunction.HARD_SWISH),
        kinds.Unary(UnaryFunction.RELU6),
        kinds.AveragePool((3, 3), (1, 1), Padding(1, 1, 1, 1)),
    ],
    ids=lambda kind: type(kind).__name__,
)
def test_each_kind_is_at_most_a_step_off(kind: Any) -> None:
    moves = isinstance(kind, kinds.MOVES)
    assert _furthest(_graph_of(kind, (1, 4, 4, 3), _QUANTIZATION if moves else Quantization.per_tensor(0.07, 3))) <= 1


def test_operation_that_onnx_cannot_say_leaves_nothing(make_model: Callable[..., bytes]) -> None:
    graph = _graph_of(kinds.ResizeBilinear((8, 8)), (1, 4, 4, 3))
    assert onnx_model(graph) == b""
