"""What each pass removes, and that the answers stay."""

from collections.abc import Callable
from typing import Any

import numpy
import pytest
from onnx import helper

from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.ir.kinds import Activation, Convolution, DepthwiseConvolution
from lwm2m_ml.compiler.passes.activation_fusion import FuseActivation
from lwm2m_ml.compiler.passes.dead_code import DeadCode
from lwm2m_ml.compiler.passes.pipeline import SIMPLIFY, simplify

node = helper.make_node
MakeModel = Callable[..., bytes]


def _kinds(graph: Graph) -> list[str]:
    return [operation.kind_name for operation in graph.operations]


def _weights(*shape: int) -> Any:
    return numpy.random.default_rng(1).random(shape).astype(numpy.float32)


def test_digits_network_becomes_layers_only(digits_network: bytes) -> None:
    assert _kinds(simplify(load_model(digits_network))) == [
        "Reshape",
        "Convolution",
        "MaxPool",
        "Convolution",
        "DepthwiseConvolution",
        "Binary",
        "AveragePool",
        "Reshape",
        "FullyConnected",
        "Softmax",
    ]


def test_every_pass_gives_back_the_same_graph_when_there_is_nothing_to_do(digits_network: bytes) -> None:
    graph = simplify(load_model(digits_network))
    for step in SIMPLIFY:
        assert step.apply(graph) is graph, step.name


def test_activation_goes_into_the_layer(digits_network: bytes) -> None:
    graph = simplify(load_model(digits_network))
    first = next(operation.kind for operation in graph.operations if isinstance(operation.kind, Convolution))
    assert first.activation is Activation.RELU


def test_activation_of_a_result_that_is_used_elsewhere_stays(make_model: MakeModel) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Relu", ["c"], ["r"]),
        node("Add", ["c", "r"], ["y"]),
    ]
    graph = load_model(make_model(nodes, {"w": _weights(3, 3, 1, 1)}, (1, 3, 4, 4)))
    assert FuseActivation().apply(graph) is graph


def test_batch_normalization_without_a_layer_becomes_a_depthwise_convolution(make_model: MakeModel) -> None:
    nodes = [node("BatchNormalization", ["x", "s", "s", "s", "s"], ["y"])]
    graph = simplify(load_model(make_model(nodes, {"s": _weights(3)}, (1, 3, 4, 4))))
    assert any(isinstance(operation.kind, DepthwiseConvolution) for operation in graph.operations)


def test_flattening_of_many_channels_moves_into_the_weights(make_model: MakeModel) -> None:
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Flatten", ["r"], ["f"]),
        node("Gemm", ["f", "w"], ["y"]),
    ]
    graph = simplify(load_model(make_model(nodes, {"w": _weights(48, 5)}, (1, 3, 4, 4))))
    assert _kinds(graph) == ["Unary", "Reshape", "FullyConnected"]


def test_opposite_transpositions_disappear(make_model: MakeModel) -> None:
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=[0, 2, 3, 1]),
        node("Transpose", ["b"], ["c"], perm=[0, 3, 1, 2]),
        node("Relu", ["c"], ["y"]),
    ]
    graph = simplify(load_model(make_model(nodes, {}, (1, 3, 4, 4))))
    assert "Transpose" not in _kinds(graph)


def test_padding_before_a_convolution_goes_into_it(make_model: MakeModel) -> None:
    pads = numpy.array([0, 0, 1, 2, 0, 0, 1, 0], numpy.int64)
    nodes = [node("Pad", ["x", "p"], ["q"]), node("Conv", ["q", "w"], ["y"])]
    graph = simplify(load_model(make_model(nodes, {"p": pads, "w": _weights(2, 3, 3, 3)}, (1, 3, 5, 5))))
    assert "Pad" not in _kinds(graph)


def test_padding_with_another_value_stays(make_model: MakeModel) -> None:
    pads = numpy.array([0, 0, 1, 1, 0, 0, 1, 1], numpy.int64)
    constants = {"p": pads, "v": numpy.float32(1), "w": _weights(2, 3, 3, 3)}
    nodes = [node("Pad", ["x", "p", "v"], ["q"]), node("Conv", ["q", "w"], ["y"])]
    model = make_model(nodes, {name: numpy.asarray(value) for name, value in constants.items()}, (1, 3, 5, 5))
    assert "Pad" in _kinds(simplify(load_model(model)))


def test_constants_are_computed_at_compile_time(make_model: MakeModel) -> None:
    nodes = [node("Relu", ["c"], ["r"]), node("Add", ["x", "r"], ["y"])]
    graph = simplify(load_model(make_model(nodes, {"c": _weights(1, 5) - 0.5}, (1, 5))))
    assert _kinds(graph) == ["Binary"]


def test_unused_results_are_removed(make_model: MakeModel) -> None:
    nodes = [node("Tanh", ["x"], ["unused"]), node("Relu", ["x"], ["y"])]
    graph = load_model(make_model(nodes, {}, (1, 5)))
    cleaned = DeadCode().apply(graph)
    assert _kinds(cleaned) == ["Unary"]
    assert "unused" not in cleaned.tensors


@pytest.mark.parametrize("step", SIMPLIFY, ids=lambda step: step.name)
def test_passes_are_values(step: Any) -> None:
    assert step == type(step)()
    assert step.name


def test_transpositions_of_channels_last_files_vanish_and_biases_join_their_layer(make_model: MakeModel) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["1"]),
        node("Transpose", ["1"], ["2"], perm=[0, 2, 3, 1]),
        node("Add", ["2", "b"], ["3"]),
        node("Relu", ["3"], ["4"]),
        node("Transpose", ["4"], ["y"], perm=[0, 3, 1, 2]),
    ]
    constants = {"w": numpy.ones((5, 3, 2, 2), numpy.float32), "b": numpy.arange(5, dtype=numpy.float32)}
    graph = simplify(load_model(make_model(nodes, constants, (1, 3, 4, 4))))
    layers = [operation for operation in graph.operations if operation.kind_name not in ("Transpose", "Reshape")]
    assert [operation.kind_name for operation in layers] == ["Convolution"]
    assert graph.operands(layers[0])[2].values.tolist() == [0, 1, 2, 3, 4]


def test_transposition_of_two_added_branches_is_done_once(make_model: MakeModel) -> None:
    turn = {"perm": [0, 2, 3, 1]}
    nodes = [
        node("Sigmoid", ["x"], ["1"]),
        node("Tanh", ["x"], ["2"]),
        node("Transpose", ["1"], ["3"], **turn),
        node("Transpose", ["2"], ["4"], **turn),
        node("Add", ["3", "4"], ["y"]),
    ]
    content = make_model(nodes, {}, (1, 3, 4, 5))
    graph, plain = simplify(load_model(content)), load_model(content)
    samples = {graph.inputs[0]: numpy.random.default_rng(1).random((2, 1, 3, 4, 5), dtype=numpy.float32)}
    assert run(graph, samples)[graph.outputs[0]] == pytest.approx(run(plain, samples)[plain.outputs[0]])
    assert sum(operation.kind_name == "Transpose" for operation in graph.operations) <= 2
