"""Reads operators of ONNX ML, the domain of classical models: trees, linear models, scalers."""

from collections.abc import Callable

import numpy

from lwm2m_ml.compiler.errors import UnreadableModel
from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.frontends.onnx_trees import read_trees
from lwm2m_ml.compiler.ir import Array
from lwm2m_ml.compiler.ir.kinds import Binary, BinaryFunction, FullyConnected, Kind, Softmax, Unary, UnaryFunction
from lwm2m_ml.compiler.ir.trees import TreeEnsemble

_AFTERWARDS: dict[str, Kind | None] = {
    "NONE": None,
    "SOFTMAX": Softmax(),
    "LOGISTIC": Unary(UnaryFunction.LOGISTIC),
}


def _tree_classifier(importer: OnnxImporter, node: Node) -> None:
    classes = _classes(node)
    ids = numpy.array(node.integers("class_ids"), int)
    weights = numpy.array(node.reals("class_weights"))
    bias = numpy.array(node.reals("base_values") or (0.0,) * classes)
    if classes == 2 and len(set(ids.tolist())) == 1:
        _one_score(importer, node, weights, bias)
        return
    leaves = _leaves(node, "class", ids, weights, classes)
    _ensemble(importer, node, leaves, bias, node.outputs[1])


def _one_score(importer: OnnxImporter, node: Node, weights: Array, bias: Array) -> None:
    """Two classes that share one score s: 1 - s and s where no weight is negative, else -s and s."""
    columns = _leaves(node, "class", numpy.zeros(len(weights), int), weights, 1)
    leaves = {place: numpy.array([-value[0], value[0]]) for place, value in columns.items()}
    score = float(bias.reshape(-1)[-1])
    sure = bool((weights >= 0).all()) and node.text("post_transform", "NONE") == "NONE"
    _ensemble(importer, node, leaves, numpy.array([(1.0 if sure else 0.0) - score, score]), node.outputs[1])


def _tree_regressor(importer: OnnxImporter, node: Node) -> None:
    targets = node.integer("n_targets", 1)
    if not 1 <= targets <= 1 << 16:
        raise UnreadableModel(f"The trees at {node.place} have {targets} targets")
    function = node.text("aggregate_function", "SUM")
    if function not in ("SUM", "AVERAGE"):
        raise node.refuse(f"its trees' answers are joined by {function}", "SUM and AVERAGE work")
    count = len(set(node.integers("nodes_treeids"))) if function == "AVERAGE" else 1
    weights = numpy.array(node.reals("target_weights")) / count
    leaves = _leaves(node, "target", numpy.array(node.integers("target_ids"), int), weights, targets)
    bias = numpy.array(node.reals("base_values") or (0.0,) * targets)
    _ensemble(importer, node, leaves, bias, node.outputs[0])


def _leaves(node: Node, prefix: str, ids: Array, weights: Array, outputs: int) -> dict[tuple[int, int], Array]:
    if len(ids) and not (ids.min() >= 0 and ids.max() < outputs):
        raise UnreadableModel(f"The trees at {node.place} name a result that does not exist")
    leaves: dict[tuple[int, int], Array] = {}
    places = zip(node.integers(f"{prefix}_treeids"), node.integers(f"{prefix}_nodeids"), strict=True)
    for place, result, weight in zip(places, ids, weights, strict=True):
        leaves.setdefault(place, numpy.zeros(outputs))[result] += weight
    return leaves


def _ensemble(
    importer: OnnxImporter, node: Node, leaves: dict[tuple[int, int], Array], bias: Array, output: str
) -> None:
    samples = importer.operand(node, 0)
    trees = read_trees(node, leaves, bias)
    features = importer.shape(samples)[-1]
    if not (trees.nodes[:, 0].min() >= 0 and trees.nodes[:, 0].max() < features):
        raise UnreadableModel(f"The trees at {node.place} look at a feature that the input does not have")
    tables = (trees.nodes, trees.thresholds, trees.roots, trees.leaves, trees.bias)
    names = [importer.builder.constant(f"{output}.trees", table) for table in tables]
    result = importer.builder.add(TreeEnsemble(), [samples, *names], output, name=node.label)
    _afterwards(importer, node, result, output)


def _afterwards(importer: OnnxImporter, node: Node, result: str, output: str) -> None:
    transform = node.text("post_transform", "NONE")
    if transform not in _AFTERWARDS:
        raise node.refuse(f"the transformation {transform} of its scores", f"{', '.join(_AFTERWARDS)} work")
    kind = _AFTERWARDS[transform]
    if kind is not None:
        result = importer.builder.add(kind, [result], f"{output}.{transform}", name=node.label)
    importer.names[output] = result


def _linear_classifier(importer: OnnxImporter, node: Node) -> None:
    _linear(importer, node, _classes(node), node.outputs[1])


def _linear_regressor(importer: OnnxImporter, node: Node) -> None:
    _linear(importer, node, node.integer("targets", 1), node.outputs[0])


def _linear(importer: OnnxImporter, node: Node, outputs: int, output: str) -> None:
    coefficients = numpy.array(node.reals("coefficients"), numpy.float32)
    samples = importer.operand(node, 0)
    features = importer.shape(samples)[-1]
    if coefficients.size != outputs * features:
        raise UnreadableModel(f"{node.label} has {coefficients.size} coefficients for {features} features")
    bias = numpy.array(node.reals("intercepts") or (0.0,) * outputs, numpy.float32)
    weights = importer.builder.constant(f"{output}.weights", coefficients.reshape(outputs, features))
    names = [samples, weights, importer.builder.constant(f"{output}.bias", bias)]
    result = importer.builder.add(FullyConnected(), names, f"{output}.scores", name=node.label)
    _afterwards(importer, node, result, output)


def _classes(node: Node) -> int:
    return max(
        len(node.texts("classlabels_strings")),
        len(node.integers("classlabels_int64s")),
        len(node.integers("classlabels_ints")),
    )


def _scaler(importer: OnnxImporter, node: Node) -> None:
    """(x - offset) · scale, for each feature or for all alike."""
    samples = importer.operand(node, 0)
    offset = importer.float_constant(node, ".offset", numpy.array([node.reals("offset")]))
    scale = importer.float_constant(node, ".scale", numpy.array([node.reals("scale")]))
    moved = importer.add(node, Binary(BinaryFunction.SUBTRACT), [samples, offset], ".moved")
    importer.add(node, Binary(BinaryFunction.MULTIPLY), [moved, scale])


def _normalizer(importer: OnnxImporter, node: Node) -> None:
    """Probabilities of a softmax have the sum one already; classifiers are exported with both."""
    name = importer.operand(node, 0)
    last = importer.builder.operations[-1] if importer.builder.operations else None
    if node.text("norm", "MAX") != "L1" or last is None or last.output != name or not isinstance(last.kind, Softmax):
        raise node.refuse("it is not L1 after a softmax", "Normalise samples before they come to the model")
    importer.names[node.outputs[0]] = name


def _same(importer: OnnxImporter, node: Node) -> None:
    importer.names[node.outputs[0]] = importer.operand(node, 0)


IMPORTERS: dict[str, Callable[[OnnxImporter, Node], None]] = {
    "LinearClassifier": _linear_classifier,
    "LinearRegressor": _linear_regressor,
    "Normalizer": _normalizer,
    "Scaler": _scaler,
    "TreeEnsembleClassifier": _tree_classifier,
    "TreeEnsembleRegressor": _tree_regressor,
    "ZipMap": _same,
}
