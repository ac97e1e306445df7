"""Reads ONNX operators that slide a window: convolutions and pools, in one and two dimensions."""

import numpy

from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.ir.kinds import (
    AveragePool,
    Convolution,
    DepthwiseConvolution,
    Kind,
    MaxPool,
    Pad,
    Padding,
    Reshape,
)
from lwm2m_ml.compiler.ir.shapes import window_output


def _convolution(importer: OnnxImporter, node: Node) -> None:
    """Weights come as (O, I/groups, KH, KW)."""
    image = _image(importer, node)
    weights = importer.weights(node, 1)
    if weights.ndim == 3:
        weights = weights[:, :, None, :]
    if weights.ndim != 4:
        raise node.refuse(f"weights with {weights.ndim} axes", "Convolutions in one and two dimensions work")
    outputs, per_group, *window = weights.shape
    bias = importer.weights(node, 2) if node.has_input(2) else numpy.zeros(outputs)
    groups = node.integer("group", 1)
    stride, dilation = _pair(node, "strides", 1), _pair(node, "dilations", 1)
    padding = _padding(importer, node, image, (window[0], window[1]), stride, dilation=dilation)
    kind: Kind
    if per_group == 1 and groups == importer.shape(image)[3] and groups > 1:
        kind, order = DepthwiseConvolution(stride, padding, dilation), (2, 3, 1, 0)
        weights = weights.transpose(order)[:, :, 0, :]
    else:
        kind = Convolution(stride, padding, dilation, groups)
        weights = weights.transpose(0, 2, 3, 1)
    operands = [
        image,
        importer.float_constant(node, ".weights", weights),
        importer.float_constant(node, ".bias", bias),
    ]
    _finish(importer, node, kind, operands)


def _image(importer: OnnxImporter, node: Node) -> str:
    """The first operand as an image; a sequence (N, W, C) becomes an image of height one."""
    name = importer.operand(node, 0)
    shape = importer.shape(name)
    if len(shape) == 3:
        return importer.builder.add(Reshape((shape[0], 1, *shape[1:])), [name], f"{name}.image")
    if len(shape) != 4:
        raise node.refuse(f"an operand with {len(shape)} axes", "Images and sequences work")
    return name


def _finish(importer: OnnxImporter, node: Node, kind: Kind, operands: list[str]) -> None:
    """Add the operation; a sequence that was made an image becomes a sequence again."""
    result = importer.add(node, kind, operands)
    if len(importer.shape(importer.operand(node, 0))) == 3:
        shape = importer.shape(result)
        importer.add(node, Reshape((shape[0], *shape[2:])), [result], ".sequence")


def _pair(node: Node, name: str, default: int) -> tuple[int, int]:
    values = node.integers(name)
    if not values:
        return default, default
    if any(value < 1 for value in values) or len(values) > 2:
        raise node.refuse(f"{name} {values}")
    return (default, values[0]) if len(values) == 1 else (values[0], values[1])


def _padding(
    importer: OnnxImporter,
    node: Node,
    image: str,
    window: tuple[int, int],
    stride: tuple[int, int],
    *,
    dilation: tuple[int, int] = (1, 1),
) -> Padding:
    mode = node.text("auto_pad", "NOTSET")
    if mode == "VALID":
        return Padding()
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        lengths = importer.shape(image)[1:3]
        (top, bottom), (left, right) = (
            _same(*axis, upper=mode == "SAME_UPPER") for axis in zip(lengths, window, stride, dilation, strict=True)
        )
        return Padding(top, bottom, left, right)
    pads = node.integers("pads") or (0, 0, 0, 0)
    if any(pad < 0 for pad in pads):
        raise node.refuse("negative padding")
    return Padding(left=pads[0], right=pads[1]) if len(pads) == 2 else Padding(pads[0], pads[2], pads[1], pads[3])


def _same(length: int, window: int, stride: int, dilation: int, *, upper: bool) -> tuple[int, int]:
    """Padding that makes the result ceil(length / stride) long; the odd element goes to the end when `upper`."""
    outputs = -(-length // stride)
    total = max(0, (outputs - 1) * stride + dilation * (window - 1) + 1 - length)
    return (total // 2, total - total // 2) if upper else (total - total // 2, total // 2)


def _pool(importer: OnnxImporter, node: Node) -> None:
    image = _image(importer, node)
    window, stride = _pair(node, "kernel_shape", 1), _pair(node, "strides", 1)
    if _pair(node, "dilations", 1) != (1, 1):
        raise node.refuse("dilation", "Pools without dilation work")
    padding = _padding(importer, node, image, window, stride)
    if node.integer("ceil_mode", 0):
        padding = _ceiling(importer.shape(image)[1:3], window, stride, padding)
    if node.operator == "MaxPool":
        _finish(importer, node, MaxPool(window, stride, padding), [image])
        return
    if node.integer("count_include_pad", 0) and not padding.is_zero:
        pad = Pad((0, padding.top, padding.left, 0), (0, padding.bottom, padding.right, 0))
        image, padding = importer.add(node, pad, [image], ".padded"), Padding()
    _finish(importer, node, AveragePool(window, stride, padding), [image])


def _ceiling(lengths: tuple[int, ...], window: tuple[int, int], stride: tuple[int, int], padding: Padding) -> Padding:
    """Rounding the number of positions up means padding the end until one more window fits."""
    before, after = (padding.top, padding.left), [padding.bottom, padding.right]
    for axis in (0, 1):
        positions = window_output(lengths[axis], window[axis], stride[axis], before[axis], after[axis])
        end = (positions - 1) * stride[axis] + window[axis]
        padded = lengths[axis] + before[axis] + after[axis]
        # A last window that would begin in the padding does not count (ONNX, MaxPool).
        if padded > end and positions * stride[axis] < lengths[axis] + before[axis]:
            after[axis] += end + stride[axis] - padded
    return Padding(padding.top, after[0], padding.left, after[1])


def _global_pool(importer: OnnxImporter, node: Node) -> None:
    image = _image(importer, node)
    shape = importer.shape(image)
    kind = MaxPool if node.operator == "GlobalMaxPool" else AveragePool
    _finish(importer, node, kind((shape[1], shape[2]), (1, 1)), [image])


IMPORTERS = {
    "AveragePool": _pool,
    "Conv": _convolution,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "MaxPool": _pool,
}
