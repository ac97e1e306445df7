"""Which layers can be trained, what they begin with, and what is said of those that cannot."""

from collections.abc import Callable

import numpy
import onnx
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import integer_graph
from lwm2m_ml.compiler.errors import NotTrainable
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.training.head import find_head

Floats = NDArray[numpy.float32]


def test_the_last_layer_has_a_row_of_weights_and_a_bias_for_each_output(quantised: Graph) -> None:
    head = find_head(quantised, 1)
    assert head.has_softmax
    assert [(layer.start, layer.parameters.shape, layer.highest) for layer in head.layers] == [(0, (4, 8), None)]


def test_layers_lie_one_after_the_other_and_know_the_rectifier_behind_them(quantised: Graph) -> None:
    head = find_head(quantised, 3)
    shapes = [(layer.start, layer.parameters.shape, layer.highest) for layer in head.layers]
    assert shapes == [(0, (12, 17), numpy.inf), (204, (7, 13), numpy.inf), (295, (4, 8), None)]
    assert head.parameters.size == 327


def test_what_a_layer_begins_with_is_the_float_model_up_to_half_a_step_of_int8(
    quantised: Graph, perceptron: bytes
) -> None:
    model = onnx.load_model_from_string(perceptron)
    weights = {entry.name: onnx.numpy_helper.to_array(entry) for entry in model.graph.initializer}
    (layer,) = find_head(quantised, 1).layers
    steps = numpy.abs(weights["w2"]).max(axis=1, keepdims=True) / 127
    assert (numpy.abs(layer.parameters[:, :-1] - weights["w2"]) <= steps * 0.51).all()
    assert numpy.allclose(layer.parameters[:, -1], weights["b2"], atol=1e-3)


@pytest.mark.parametrize(("layers", "words"), [(0, "0 layers"), (4, "input cannot be trained")])
def test_more_layers_than_there_are_and_none_at_all_are_refused(quantised: Graph, layers: int, words: str) -> None:
    with pytest.raises(NotTrainable, match=words):
        find_head(quantised, layers)


def test_a_convolution_is_named_as_what_cannot_be_trained(digits_network: bytes, digits_samples: Floats) -> None:
    graph, _ = integer_graph(digits_network, digits_samples, "litert")
    find_head(graph, 1)
    with pytest.raises(NotTrainable, match="cannot be trained on a device") as refused:
        find_head(graph, 2)
    assert "fewer layers" in refused.value.hint


def test_a_layer_that_is_read_twice_is_refused(make_model: Callable[..., bytes]) -> None:
    node = onnx.helper.make_node
    generator = numpy.random.default_rng(1)
    constants = {name: generator.standard_normal((6, 6)).astype(numpy.float32) for name in ("a", "b")}
    nodes = [
        node("Gemm", ["x", "a"], ["h"], transB=1),
        node("Gemm", ["h", "b"], ["g"], transB=1),
        node("Add", ["g", "h"], ["y"]),
    ]
    graph, _ = integer_graph(make_model(nodes, constants, [1, 6]), None, "litert")
    with pytest.raises(NotTrainable, match="cannot be trained"):
        find_head(graph, 1)


def test_a_float_model_is_refused_with_what_to_do(perceptron: bytes) -> None:
    graph, _ = integer_graph(perceptron, None, "litert", precision="float32")
    with pytest.raises(NotTrainable, match="not an int8 layer") as refused:
        find_head(graph, 1)
    assert "int8" in refused.value.hint
