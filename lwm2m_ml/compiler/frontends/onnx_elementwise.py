"""Reads ONNX elementwise operators, softmax and means."""

import numpy

from lwm2m_ml.compiler.frontends.layout import constant_to_channels_last
from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.ir.kinds import (
    AveragePool,
    Binary,
    BinaryFunction,
    Mean,
    ParametricRelu,
    Reshape,
    Softmax,
    Unary,
    UnaryFunction,
)

_UNARY = {
    "HardSwish": UnaryFunction.HARD_SWISH,
    "LeakyRelu": UnaryFunction.LEAKY_RELU,
    "Relu": UnaryFunction.RELU,
    "Sigmoid": UnaryFunction.LOGISTIC,
    "Tanh": UnaryFunction.TANH,
}
_BINARY = {
    "Add": BinaryFunction.ADD,
    "Max": BinaryFunction.MAXIMUM,
    "Min": BinaryFunction.MINIMUM,
    "Mul": BinaryFunction.MULTIPLY,
    "Sub": BinaryFunction.SUBTRACT,
}
# ONNX's numbers of float32, float16 and float64.
_REAL_TYPES = (1, 10, 11)
_CLIPS = {
    (0.0, float("inf")): UnaryFunction.RELU,
    (0.0, 6.0): UnaryFunction.RELU6,
    (-1.0, 1.0): UnaryFunction.RELU_N1_TO_1,
}


def _unary(importer: OnnxImporter, node: Node) -> None:
    alpha = node.real("alpha", 0.01) if node.operator == "LeakyRelu" else 0.0
    importer.add(node, Unary(_UNARY[node.operator], alpha), [importer.operand(node, 0)])


def _clip(importer: OnnxImporter, node: Node) -> None:
    low = _bound(importer, node, 1, "min", -float("inf"))
    high = _bound(importer, node, 2, "max", float("inf"))
    # Exporters write "no upper bound" as the largest float.
    high = float("inf") if high > 3e38 else high
    if (low, high) not in _CLIPS:
        raise node.refuse(f"clipping to {low:g}…{high:g}", "Relu, 0…6 and -1…1 work")
    importer.add(node, Unary(_CLIPS[low, high]), [importer.operand(node, 0)])


def _bound(importer: OnnxImporter, node: Node, index: int, attribute: str, default: float) -> float:
    if node.has_input(index):
        return float(importer.constant(node, index).reshape(-1)[0])
    return node.real(attribute, default)


def _binary(importer: OnnxImporter, node: Node) -> None:
    """Operands of lower rank are aligned at their last (channels-first) axis, so they move with the layout."""
    if len(node.inputs) != 2:
        raise node.refuse(f"{len(node.inputs)} operands", "Two work")
    ranks = [_rank(importer, node, index) for index in (0, 1)]
    operands = []
    for index in (0, 1):
        name = node.inputs[index]
        if name in importer.constants and name not in importer.names:
            values = constant_to_channels_last(importer.weights(node, index), max(ranks))
            operands.append(importer.float_constant(node, f".{index}", values))
        elif ranks[index] != max(ranks):
            raise node.refuse("operands with unequal numbers of axes", "Reshape one of them first")
        else:
            operands.append(importer.operand(node, index))
    importer.add(node, Binary(_BINARY[node.operator]), operands)


def _cast(importer: OnnxImporter, node: Node) -> None:
    """A change of type is none where all is real; labels, which are integers, are never read."""
    if node.integer("to", 0) not in _REAL_TYPES:
        raise node.refuse("real numbers become integers", "Let the model give real numbers")
    _identity(importer, node)


def _elu(importer: OnnxImporter, node: Node) -> None:
    if node.real("alpha", 1.0) != 1.0:
        raise node.refuse("alpha is not 1")
    importer.add(node, Unary(UnaryFunction.ELU), [importer.operand(node, 0)])


def _hard_sigmoid(importer: OnnxImporter, node: Node) -> None:
    """Alpha · x + beta limited to 0…1; the graph's form has alpha 1/6 and beta 1/2, so x is scaled and moved first."""
    name = importer.operand(node, 0)
    scale, offset = 6 * node.real("alpha", 0.2), 6 * (node.real("beta", 0.5) - 0.5)
    for number, function, suffix in (
        (scale, BinaryFunction.MULTIPLY, ".scaled"),
        (offset, BinaryFunction.ADD, ".moved"),
    ):
        neutral = 1.0 if function is BinaryFunction.MULTIPLY else 0.0
        if abs(number - neutral) > 1e-6:
            constant = importer.float_constant(node, f"{suffix}.by", numpy.array([number]))
            name = importer.add(node, Binary(function), [name, constant], suffix)
    importer.add(node, Unary(UnaryFunction.HARD_SIGMOID), [name])


def _parametric_relu(importer: OnnxImporter, node: Node) -> None:
    name = importer.operand(node, 0)
    slopes = constant_to_channels_last(importer.weights(node, 1), len(importer.shape(name)))
    importer.add(node, ParametricRelu(), [name, importer.float_constant(node, ".slopes", slopes)])


def _rank(importer: OnnxImporter, node: Node, index: int) -> int:
    name = node.inputs[index]
    if name in importer.constants and name not in importer.names:
        return importer.constants[name].ndim
    return len(importer.shape(importer.operand(node, index)))


def _softmax(importer: OnnxImporter, node: Node) -> None:
    name = importer.operand(node, 0)
    rank = len(importer.shape(name))
    axis = node.integer("axis", 1 if importer.opset < 13 else -1) % rank
    channel = rank - 1 if rank < 3 else 1
    if axis != channel and not (importer.opset < 13 and rank == 2):
        raise node.refuse(f"axis {axis} of {rank}", "Softmax over the classes works")
    importer.add(node, Softmax(), [name])


def _mean(importer: OnnxImporter, node: Node) -> None:
    """Over height and width it is a global average pool; other axes keep the general form."""
    name = importer.operand(node, 0)
    shape = importer.shape(name)
    rank = len(shape)
    given = importer.integers(node, 1, "axes") or tuple(range(rank))
    channels_last = [0, *([rank - 1, *range(1, rank - 1)] if rank > 2 else range(1, rank))]
    axes = tuple(sorted(channels_last[axis % rank] for axis in given))
    pooled = rank == 4 and axes == (1, 2)
    result = importer.add(node, AveragePool((shape[1], shape[2]), (1, 1)) if pooled else Mean(axes), [name], ".mean")
    if node.integer("keepdims", 1):
        return
    kept = [axis for axis in range(rank) if axis not in axes]
    if rank > 2 and len(kept) > 2:
        raise node.refuse("it keeps more than two axes", "Set keepdims")
    importer.add(node, Reshape(tuple(shape[axis] for axis in kept)), [result])


def _identity(importer: OnnxImporter, node: Node) -> None:
    if node.inputs[0] in importer.constants:
        importer.constants[node.outputs[0]] = importer.constants[node.inputs[0]]
    else:
        importer.names[node.outputs[0]] = importer.operand(node, 0)


def _constant(importer: OnnxImporter, node: Node) -> None:
    value = node.attributes.get("value")
    if not isinstance(value, numpy.ndarray):
        scalar = node.attributes.get("value_float", node.attributes.get("value_int", node.attributes.get("value_ints")))
        if scalar is None:
            raise node.refuse("its value is not numbers")
        value = numpy.asarray(scalar)
        value = value.astype(numpy.float32) if value.dtype == numpy.float64 else value
    importer.constants[node.outputs[0]] = value


IMPORTERS = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(_BINARY, _binary),
    "Clip": _clip,
    "Constant": _constant,
    "Cast": _cast,
    "Dropout": _identity,
    "Elu": _elu,
    "HardSigmoid": _hard_sigmoid,
    "Identity": _identity,
    "PRelu": _parametric_relu,
    "ReduceMean": _mean,
    "Softmax": _softmax,
}
