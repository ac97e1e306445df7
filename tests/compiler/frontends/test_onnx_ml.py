"""Classical models from scikit-learn, read through ONNX ML; ONNX Runtime is the oracle."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import integer_graph
from lwm2m_ml.compiler.errors import CyclicModel, UnreadableModel, UnsupportedOperator
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import InvalidInputError, UsageError

Floats = NDArray[numpy.float32]
FEATURES, CLASSES = load_iris(return_X_y=True)
FEATURES = FEATURES.astype(numpy.float32)
# Uneven numbers, so that no sample lies exactly on a threshold that another rounding would move.
BORDER = (CLASSES > 0).astype(int)

MODELS: dict[str, Callable[[], Any]] = {
    "tree": lambda: DecisionTreeClassifier(max_depth=5, random_state=0).fit(FEATURES, CLASSES),
    "forest": lambda: RandomForestClassifier(8, random_state=0).fit(FEATURES, CLASSES),
    "forest of two classes": lambda: RandomForestClassifier(4, random_state=0).fit(FEATURES, BORDER),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=4, random_state=0).fit(FEATURES, CLASSES),
    "boosting of two classes": lambda: GradientBoostingClassifier(n_estimators=4, random_state=0).fit(FEATURES, BORDER),
    "regression forest": lambda: ExtraTreesRegressor(4, random_state=0).fit(FEATURES, FEATURES[:, ::-1]),
    "regression boosting": lambda: GradientBoostingRegressor(n_estimators=4, random_state=0).fit(FEATURES, CLASSES),
    "scaled forest": lambda: make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(
        FEATURES, CLASSES
    ),
    "logistic": lambda: LogisticRegression(max_iter=500).fit(FEATURES, CLASSES),
    "linear": lambda: LinearRegression().fit(FEATURES, FEATURES[:, :2]),
    "perceptron": lambda: MLPClassifier((8,), max_iter=500, tol=1e-2, random_state=0).fit(FEATURES, CLASSES),
    "perceptron of two classes": lambda: MLPClassifier((4,), max_iter=500, tol=1e-2, random_state=0).fit(
        FEATURES, BORDER
    ),
}


def _exported(name: str) -> bytes:
    content: bytes = to_onnx(MODELS[name](), FEATURES[:1]).SerializeToString()
    return content


def _expected(content: bytes, samples: Floats) -> Floats:
    session = onnxruntime.InferenceSession(content)
    answers = session.run(None, {session.get_inputs()[0].name: samples})[-1]
    if isinstance(answers, list):
        answers = numpy.array([list(row.values()) for row in answers])
    return numpy.asarray(answers, numpy.float32)


@pytest.mark.parametrize("name", MODELS)
def test_answers_equal_those_of_onnx_runtime(name: str) -> None:
    content = _exported(name)
    graph, _ = integer_graph(content, None, "litert", precision="float32")
    answers = run(graph, {graph.inputs[0]: FEATURES[:, None]})[graph.outputs[0]]
    expected = _expected(content, FEATURES)
    assert answers.reshape(expected.shape) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4f", "rv32imc"])
@pytest.mark.parametrize("name", ["forest", "boosting of two classes", "regression forest"])
def test_trees_become_proved_modules_that_keep_real_numbers(name: str, target: str) -> None:
    module = compile_model(_exported(name), load_target(target), inputs=FEATURES[::10])
    assert (module.max_abs_diff or 0) < 1e-6
    assert module.inputs[0].dtype == module.outputs[0].dtype == "float32"
    assert len(module.vectors) == 15


def test_forest_takes_less_than_ten_bytes_for_a_node() -> None:
    forest = RandomForestClassifier(20, random_state=0).fit(FEATURES, CLASSES)
    nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
    module = compile_model(to_onnx(forest, FEATURES[:1]).SerializeToString(), load_target("cortex-m0plus"))
    assert module.flash_bytes < 800 + 10 * nodes


def test_perceptron_becomes_an_int8_module() -> None:
    module = compile_model(_exported("perceptron"), load_target("cortex-m0plus"), calibration=FEATURES)
    assert module.exact
    assert module.outputs[0].dtype == "int8"


def _one_tree(**changed: Any) -> bytes:
    """x0 < 0.5 ? 1 : (x1 > 2 ? 2 : 3)."""
    attributes: dict[str, Any] = {
        "n_targets": 1,
        "nodes_treeids": [0] * 5,
        "nodes_nodeids": [0, 1, 2, 3, 4],
        "nodes_featureids": [0, 0, 1, 0, 0],
        "nodes_values": [0.5, 0.0, 2.0, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LT", "LEAF", "BRANCH_GT", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 3, 0, 0],
        "nodes_falsenodeids": [2, 0, 4, 0, 0],
        "target_treeids": [0, 0, 0],
        "target_nodeids": [1, 3, 4],
        "target_ids": [0, 0, 0],
        "target_weights": [1.0, 2.0, 3.0],
        **changed,
    }
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize(
    "modes",
    [
        ("BRANCH_LEQ", "BRANCH_LEQ"),
        ("BRANCH_LT", "BRANCH_GT"),
        ("BRANCH_GTE", "BRANCH_LT"),
        ("BRANCH_GT", "BRANCH_GTE"),
    ],
)
def test_every_comparison_holds_on_the_threshold_too(modes: tuple[str, str]) -> None:
    content = _one_tree(nodes_modes=[modes[0], "LEAF", modes[1], "LEAF", "LEAF"])
    near = [numpy.nextafter(numpy.float32(value), numpy.float32(way)) for value in (0.5, 2.0) for way in (-9, 9)]
    samples = numpy.array([(x, y) for x in (*near, 0.5, 2.0) for y in (*near, 0.5, 2.0)], numpy.float32)
    graph, _ = integer_graph(content, None, "litert")
    answers = run(graph, {graph.inputs[0]: samples[:, None]})[graph.outputs[0]][:, 0]
    assert answers.tolist() == _expected(content, samples).tolist()


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"nodes_truenodeids": [0, 0, 3, 0, 0]}, CyclicModel),
        ({"nodes_truenodeids": [2, 0, 2, 0, 0], "nodes_falsenodeids": [1, 0, 4, 0, 0]}, CyclicModel),
        ({"nodes_falsenodeids": [9, 0, 4, 0, 0]}, InvalidInputError),
        ({"nodes_featureids": [7, 0, 1, 0, 0]}, UnreadableModel),
        ({"nodes_featureids": [-1, 0, 1, 0, 0]}, UnreadableModel),
        ({"nodes_values": [float("nan"), 0.0, 2.0, 0.0, 0.0]}, UnreadableModel),
        ({"nodes_values": [0.5]}, UnreadableModel),
        ({"nodes_nodeids": [0, 0, 2, 3, 4]}, UnreadableModel),
        ({"nodes_modes": ["BRANCH_EQ", "LEAF", "BRANCH_GT", "LEAF", "LEAF"]}, UnsupportedOperator),
        ({"target_ids": [0, 1, 0]}, UnreadableModel),
        ({"target_ids": [0, -1, 0]}, UnreadableModel),
        ({"n_targets": 1 << 40}, UnreadableModel),
        ({"aggregate_function": "MIN"}, UnsupportedOperator),
        ({"post_transform": "PROBIT"}, UnsupportedOperator),
    ],
)
def test_damaged_trees_are_named(changed: dict[str, Any], error: type[InvalidInputError]) -> None:
    with pytest.raises(error):
        integer_graph(_one_tree(**changed), None, "litert")


@given(place=st.integers(0, 1 << 20), byte=st.integers(0, 255))
def test_any_changed_byte_gives_a_graph_or_a_clear_error(place: int, byte: int) -> None:
    content = bytearray(_one_tree())
    content[place % len(content)] = byte
    with contextlib.suppress(InvalidInputError, UsageError):
        graph, _ = integer_graph(bytes(content), None, "litert")
        features = graph.tensor(graph.inputs[0]).shape
        run(graph, {graph.inputs[0]: numpy.zeros((1, *features), numpy.float32)})


def test_model_that_gives_labels_only_says_what_helps() -> None:
    model = onnx.load_model_from_string(_exported("tree"))
    del model.graph.output[1]
    with pytest.raises(UnsupportedOperator, match="probabilities"):
        integer_graph(model.SerializeToString(), None, "litert")
