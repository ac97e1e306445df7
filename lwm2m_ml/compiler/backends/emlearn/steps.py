"""What emlearn can compute of a graph: trees, fully connected layers, and what may follow them."""

from dataclasses import dataclass
from typing import Any

import numpy

from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.ir import Array, Graph, Operation, kinds
from lwm2m_ml.compiler.ir.kinds import Activation, UnaryFunction
from lwm2m_ml.compiler.ir.trees import TreeEnsemble


@dataclass(frozen=True, slots=True)
class Trees:
    """A forest: nodes of (feature, threshold, left, right), roots, and one row of leaves for each leaf."""

    nodes: tuple[tuple[int, float, int, int], ...]
    roots: tuple[int, ...]
    leaves: Array
    bias: Array
    features: int


@dataclass(frozen=True, slots=True)
class Dense:
    """A fully connected layer: weights (inputs, outputs), biases (outputs)."""

    weights: Array
    biases: Array
    activation: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A function of all values of the last result, in place: relu, logistic, tanh or softmax."""

    activation: str


Step = Trees | Dense | Curve
KINDS = ("FullyConnected", "Reshape", "Softmax", "TreeEnsemble", "Unary")
_FUSED = {Activation.NONE: "identity", Activation.RELU: "relu"}
_CURVES = {UnaryFunction.RELU: "relu", UnaryFunction.LOGISTIC: "logistic", UnaryFunction.TANH: "tanh"}


def steps_of(graph: Graph) -> tuple[Step, ...]:
    """The steps of a graph that is one chain; raises UnsupportedOperator."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UnsupportedOperator("model", "its border", why="emlearn's models have one input and one output")
    steps: list[Step] = []
    last = graph.inputs[0]
    for operation in graph.operations:
        if operation.inputs[0] != last:
            raise _unknown(operation, "emlearn's models are chains")
        steps += _steps(graph, operation)
        last = operation.output
    return tuple(steps)


def _steps(graph: Graph, operation: Operation) -> list[Step]:
    kind: Any = operation.kind
    if isinstance(kind, kinds.Reshape):
        return []
    if isinstance(kind, TreeEnsemble):
        return [_trees(graph, operation)]
    if isinstance(kind, kinds.FullyConnected):
        return [_dense(graph, operation)]
    if isinstance(kind, kinds.Softmax) and kind.beta == 1 and _is_row(graph, operation):
        return [Curve("softmax")]
    if isinstance(kind, kinds.Unary) and kind.function in _CURVES:
        return [Curve(_CURVES[kind.function])]
    raise _unknown(operation, "it is not among emlearn's layers")


def _is_row(graph: Graph, operation: Operation) -> bool:
    result = graph.result(operation)
    return result.elements == result.shape[-1]


def _trees(graph: Graph, operation: Operation) -> Trees:
    samples, nodes, thresholds, roots, leaves, bias = graph.operands(operation)
    if not _is_row(graph, operation):
        raise _unknown(operation, "emlearn looks at one sample at a time")
    # emlearn asks for less; what is at most a number is less than the next one.
    limits = numpy.nextafter(thresholds.values, numpy.float32(numpy.inf))
    rows = zip(nodes.values.tolist(), limits.tolist(), strict=True)
    return Trees(
        nodes=tuple((feature, limit, left, right) for (feature, left, right), limit in rows),
        roots=tuple(roots.values.tolist()),
        leaves=leaves.values,
        bias=bias.values,
        features=samples.shape[-1],
    )


def _dense(graph: Graph, operation: Operation) -> Dense:
    kind: Any = operation.kind
    _, weights, bias = graph.operands(operation)
    if kind.activation not in _FUSED or not _is_row(graph, operation):
        raise _unknown(operation, "emlearn knows one row at a time, and of activations in a layer only the rectifier")
    return Dense(weights.values.T, bias.values, _FUSED[kind.activation])


def _unknown(operation: Operation, why: str) -> UnsupportedOperator:
    return UnsupportedOperator(operation.kind_name, operation.name, why=why, hint="Try the backend native")
