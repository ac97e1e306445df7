"""Reads quantised ONNX models: QuantizeLinear and DequantizeLinear pairs, and operators that compute on integers.

The graph stays in float32, but its tensors carry the quantisation that the model gives them; the quantiser then takes
that instead of one from calibration. Unsigned codes become signed ones by a shift of 128.
"""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.frontends import onnx_elementwise, onnx_movement, onnx_products, onnx_windows
from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.ir import Quantization
from lwm2m_ml.compiler.ir.tensor import Array

_SHIFTS = {"uint8": 128, "int8": 0, "int32": 0}
_FLOAT_IMPORTERS = {
    **onnx_elementwise.IMPORTERS,
    **onnx_movement.IMPORTERS,
    **onnx_products.IMPORTERS,
    **onnx_windows.IMPORTERS,
}


def _parameters(importer: OnnxImporter, node: Node, axis: int, rank: int) -> tuple[Quantization, int]:
    """The quantisation that a node names, for signed codes, and by how much unsigned codes are to be shifted."""
    scales = importer.constant(node, 1).reshape(-1).astype(numpy.float32)
    zeros = importer.constant(node, 2).reshape(-1) if node.has_input(2) else numpy.zeros(len(scales), numpy.uint8)
    if zeros.dtype.name not in _SHIFTS or len(zeros) not in (1, len(scales)) or not (scales > 0).all():
        raise node.refuse(f"{len(scales)} scales with zero points of {zeros.dtype}", "int8 and uint8 work")
    shift = _SHIFTS[zeros.dtype.name]
    points = tuple(int(zero) - shift for zero in numpy.broadcast_to(zeros, scales.shape))
    along = axis % rank if len(scales) > 1 else None
    return Quantization(tuple(float(scale) for scale in scales), points, along), shift


def _quantize(importer: OnnxImporter, node: Node) -> None:
    name = node.inputs[0]
    if name in importer.constants and name not in importer.names:
        values = importer.constants[name]
        importer.constants[node.outputs[0]] = values
        importer.quantizations[node.outputs[0]], _ = _parameters(importer, node, node.integer("axis", 1), values.ndim)
        return
    operand = importer.operand(node, 0)
    quantization, _ = _parameters(importer, node, node.integer("axis", 1), len(importer.shape(operand)))
    if quantization.axis is not None:
        raise node.refuse("activations cannot be quantised per channel", "One scale for the tensor works")
    importer.names[node.outputs[0]] = importer.builder.annotate(operand, quantization, name_of_step=node.label)


def _dequantize(importer: OnnxImporter, node: Node) -> None:
    name = node.inputs[0]
    if name in importer.quantizations:
        importer.constants[node.outputs[0]] = importer.constants[name]
        importer.quantizations[node.outputs[0]] = importer.quantizations[name]
    elif name in importer.constants and name not in importer.names:
        codes = importer.constants[name]
        quantization, shift = _parameters(importer, node, node.integer("axis", 1), codes.ndim)
        if codes.dtype.name not in _SHIFTS:
            raise node.refuse(f"constants of {codes.dtype}", "int8, uint8 and int32 work")
        importer.constants[node.outputs[0]] = _real(codes, quantization, shift if node.has_input(2) else 0)
        importer.quantizations[node.outputs[0]] = quantization
    else:
        operand = importer.operand(node, 0)
        quantization, _ = _parameters(importer, node, 0, len(importer.shape(operand)))
        if quantization.axis is not None:
            raise node.refuse("activations cannot be quantised per channel", "One scale for the tensor works")
        importer.names[node.outputs[0]] = importer.builder.annotate(operand, quantization, name_of_step=node.label)


def _real(codes: Array, quantization: Quantization, shift: int) -> Array:
    shape = [1] * codes.ndim
    if quantization.axis is not None:
        shape[quantization.axis] = -1
    scales = numpy.array(quantization.scales, numpy.float64).reshape(shape)
    zeros = numpy.array(quantization.zero_points).reshape(shape)
    values: Array = ((codes.astype(numpy.int64) - shift - zeros) * scales).astype(numpy.float32)
    # A scalar stays one: the scale's shape must not add an axis.
    return values.reshape(codes.shape)


@dataclass(frozen=True, slots=True)
class _Form:
    """How an operator on integers lists its operands: each with scale and zero point, the result's behind them."""

    operator: str
    operands: int
    weights_axis: int = 1
    has_bias: bool = False


_FORMS = {
    "QLinearConv": _Form("Conv", 2, weights_axis=0, has_bias=True),
    "QLinearMatMul": _Form("MatMul", 2),
    "QLinearAdd": _Form("Add", 2),
    "QLinearMul": _Form("Mul", 2),
    "QLinearAveragePool": _Form("AveragePool", 1),
    "QLinearGlobalAveragePool": _Form("GlobalAveragePool", 1),
    "QLinearLeakyRelu": _Form("LeakyRelu", 1),
    "QLinearSigmoid": _Form("Sigmoid", 1),
    "QLinearSoftmax": _Form("Softmax", 1),
}


def _on_integers(importer: OnnxImporter, node: Node) -> None:
    """Dequantise the operands, compute, quantise the result: the same as three or more nodes."""
    form = _FORMS[node.operator]
    if node.integer("channels_last", 0):
        raise node.refuse("channels are last")
    names = []
    for operand in range(form.operands):
        axis = form.weights_axis if operand else 0
        part = node.inputs[3 * operand : 3 * operand + 3]
        names.append(_dequantized(importer, node, part, axis))
    place = 3 * form.operands
    if form.has_bias and node.has_input(place + 2):
        names.append(_bias(importer, node, names[1], place + 2))
    _compute(importer, node, form.operator, names, node.inputs[place : place + 2])


def _bias(importer: OnnxImporter, node: Node, weights: str, place: int) -> str:
    """The bias's scale is that of the sums."""
    scale = float(importer.constant(node, 1).reshape(-1)[0])
    scales = numpy.array(importer.quantizations[weights].scales)
    name = f"{node.outputs[0]} bias"
    importer.constants[name] = (importer.constant(node, place) * scales * scale).astype(numpy.float32)
    return name


def _general_product(importer: OnnxImporter, node: Node) -> None:
    """QGemm: A, B with scales and zero points, C as a bias, scale and zero point of the result."""
    axis = 0 if node.integer("transB", 0) else 1
    names = [_dequantized(importer, node, node.inputs[0:3], 0)]
    names.append(_dequantized(importer, node, node.inputs[3:6], axis))
    if node.has_input(6):
        names.append(_bias(importer, node, names[1], 6))
    _compute(importer, node, "Gemm", names, node.inputs[7:9])


def _concatenate(importer: OnnxImporter, node: Node) -> None:
    """QLinearConcat: scale and zero point of the result first, then every operand with its own."""
    names = [_dequantized(importer, node, node.inputs[place : place + 3], 0) for place in range(2, len(node.inputs), 3)]
    _compute(importer, node, "Concat", names, node.inputs[0:2])


def _compute(importer: OnnxImporter, node: Node, operator: str, names: list[str], result: tuple[str, ...]) -> None:
    real = f"{node.outputs[0]} real"
    _FLOAT_IMPORTERS[operator](importer, Node(operator, node.place, tuple(names), (real,), node.attributes))
    _quantize(importer, Node(node.operator, node.place, (real, *result), node.outputs, {}))


def _dequantized(importer: OnnxImporter, node: Node, inputs: tuple[str, ...], axis: int) -> str:
    """The name of an operand (codes, scale, zero point) as real numbers."""
    name = f"{node.outputs[0]} from {inputs[0]}"
    _dequantize(importer, Node(node.operator, node.place, inputs, (name,), {"axis": axis}))
    return name


IMPORTERS = {
    **dict.fromkeys(_FORMS, _on_integers),
    "DequantizeLinear": _dequantize,
    "QGemm": _general_product,
    "QLinearConcat": _concatenate,
    "QuantizeLinear": _quantize,
}
