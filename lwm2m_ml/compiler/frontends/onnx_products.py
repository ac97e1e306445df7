"""Reads ONNX matrix products and batch normalisation."""

import math

import numpy

from lwm2m_ml.compiler.frontends.layout import add_transpose, channels_first_order
from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.ir.kinds import BatchNormalization, FullyConnected, Reshape
from lwm2m_ml.compiler.ir.tensor import Array


def _gemm(importer: OnnxImporter, node: Node) -> None:
    """Y = alpha · A · B + beta · C with constant B and C."""
    rows = importer.operand(node, 0)
    if node.integer("transA", 0) or len(importer.shape(rows)) != 2:
        raise node.refuse("a transposed or many-dimensional first operand", "Flatten it first")
    weights = importer.weights(node, 1)
    if weights.ndim != 2:
        raise node.refuse(f"weights with {weights.ndim} axes")
    if not node.integer("transB", 0):
        weights = weights.T
    bias = numpy.zeros(weights.shape[0])
    if node.has_input(2):
        bias = bias + node.real("beta", 1.0) * importer.weights(node, 2).reshape(-1)
    factor = node.real("alpha", 1.0)
    _fully_connected(importer, node, rows, weights * factor, bias, factor=factor)


def _matrix_product(importer: OnnxImporter, node: Node) -> None:
    """The last axis of the first operand times a constant matrix."""
    name = importer.operand(node, 0)
    weights = importer.weights(node, 1)
    if weights.ndim != 2:
        raise node.refuse(f"a second operand with {weights.ndim} axes", "A constant matrix works")
    rank = len(importer.shape(name))
    name = add_transpose(importer.builder, name, channels_first_order(rank), f"{name}.rows")
    shape = importer.shape(name)
    if rank != 2:
        name = importer.builder.add(Reshape((math.prod(shape[:-1]), shape[-1])), [name], f"{name}.flat")
    result = _fully_connected(importer, node, name, weights.T, numpy.zeros(weights.shape[1]))
    if rank == 2:
        return
    result = importer.builder.add(Reshape((*shape[:-1], weights.shape[1])), [result], f"{result}.shaped")
    order = tuple(range(rank)) if rank < 3 else (0, *range(2, rank), 1)
    importer.names[node.outputs[0]] = add_transpose(importer.builder, result, order, f"{result}.nhwc")


def _fully_connected(
    importer: OnnxImporter, node: Node, rows: str, weights: Array, bias: Array, *, factor: float = 1.0
) -> str:
    operands = [
        rows,
        importer.weight_constant(node, 1, weights, 0, factor=factor),
        importer.float_constant(node, ".bias", bias),
    ]
    return importer.add(node, FullyConnected(), operands)


def _batch_normalization(importer: OnnxImporter, node: Node) -> None:
    if node.integer("training_mode", 0):
        raise node.refuse("it is in training mode", "Export the model for inference")
    parameters = [importer.float_constant(node, f".{index}", importer.weights(node, index)) for index in range(1, 5)]
    kind = BatchNormalization(node.real("epsilon", 1e-5))
    importer.add(node, kind, [importer.operand(node, 0), *parameters])


IMPORTERS = {
    "BatchNormalization": _batch_normalization,
    "Gemm": _gemm,
    "MatMul": _matrix_product,
}
