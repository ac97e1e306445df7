"""Reads ONNX elementwise operators, softmax and means."""

import numpy

from lwm2m_ml.compiler.frontends.layout import constant_to_channels_last
from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.ir.kinds import (
    AveragePool,
    Binary,
    BinaryFunction,
    Mean,
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
_BINARY = {"Add": BinaryFunction.ADD, "Mul": BinaryFunction.MULTIPLY, "Sub": BinaryFunction.SUBTRACT}
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
    "Dropout": _identity,
    "Identity": _identity,
    "ReduceMean": _mean,
    "Softmax": _softmax,
}
