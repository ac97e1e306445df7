"""Computes what exporters write to find out shapes: once the batch is pinned, every such result is a constant."""

from collections.abc import Callable, Mapping, Sequence

import numpy

from lwm2m_ml.compiler.frontends.layout import to_channels_first
from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.ir import Array

# Shapes are short; what is longer are weights, which stay as they are.
_MOST_ELEMENTS = 64
_Fold = Callable[[Node, Sequence[Array]], Array]


def fold(importer: OnnxImporter, node: Node) -> bool:
    """Whether the node's result was found out now and is a constant from here on."""
    if node.operator == "Shape":
        importer.constants[node.outputs[0]] = _shape(importer, node)
        return True
    operands = [importer.constants.get(name) for name in node.inputs]
    known = [operand for operand in operands if operand is not None and operand.size <= _MOST_ELEMENTS]
    function = _FOLDS.get(node.operator)
    if function is None or len(known) != len(operands) or not known or known[0].dtype.kind not in "iub":
        return False
    importer.constants[node.outputs[0]] = function(node, known)
    return True


def _shape(importer: OnnxImporter, node: Node) -> Array:
    name = node.inputs[0] if node.inputs else ""
    if name in importer.constants:
        shape = importer.constants[name].shape
    else:
        shape = to_channels_first(importer.shape(importer.operand(node, 0)))
    stop = node.integer("end", len(shape))
    return numpy.array(shape[node.integer("start", 0) : stop], numpy.int64)


def _axes(node: Node, operands: Sequence[Array]) -> tuple[int, ...]:
    if len(operands) > 1:
        return tuple(int(axis) for axis in operands[1].reshape(-1))
    return node.integers("axes")


def _squeeze(node: Node, operands: Sequence[Array]) -> Array:
    return numpy.squeeze(operands[0], _axes(node, operands) or None)


def _slice(node: Node, operands: Sequence[Array]) -> Array:
    """Along the first axis, as shapes are cut; older operator sets have the places as attributes."""
    places = [operand.reshape(-1) for operand in operands[1:]]
    begin, end = (places[0], places[1]) if places else (node.integers("starts"), node.integers("ends"))
    step = int(places[3][0]) if len(places) > 3 else 1
    if operands[0].ndim != 1 or len(begin) != 1:
        raise node.refuse("a constant with several axes")
    return operands[0][int(begin[0]) : int(end[0]) : step]


def _filled(node: Node, operands: Sequence[Array]) -> Array:
    value = node.attributes.get("value")
    single = numpy.asarray(value).reshape(-1)[:1] if value is not None else numpy.zeros(1, numpy.float32)
    if int(numpy.prod(operands[0])) > _MOST_ELEMENTS or (operands[0] < 0).any():
        raise node.refuse("a large constant of one value")
    return numpy.full(tuple(operands[0]), single[0])


_FOLDS: Mapping[str, _Fold] = {
    "Add": lambda _, operands: operands[0] + operands[1],
    "Cast": lambda _, operands: operands[0],
    "Concat": lambda node, operands: numpy.concatenate(operands, node.integer("axis", 0)),
    "ConstantOfShape": _filled,
    "Div": lambda _, operands: operands[0] // numpy.maximum(operands[1], 1),
    "Equal": lambda _, operands: numpy.equal(operands[0], operands[1]),
    "Gather": lambda node, operands: numpy.take(operands[0], operands[1].astype(int), node.integer("axis", 0)),
    "Mul": lambda _, operands: operands[0] * operands[1],
    "ReduceProd": lambda _, operands: numpy.prod(operands[0], keepdims=True),
    "Reshape": lambda _, operands: operands[0].reshape(tuple(operands[1])),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Sub": lambda _, operands: operands[0] - operands[1],
    "Unsqueeze": lambda node, operands: numpy.expand_dims(operands[0], _axes(node, operands)),
    "Where": lambda _, operands: numpy.where(operands[0], operands[1], operands[2]),
}
OPERATORS = frozenset(_FOLDS) | {"Shape"}
