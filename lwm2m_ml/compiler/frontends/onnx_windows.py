"""Reads ONNX operators that slide a window: convolutions and pools, in one and two dimensions."""

from dataclasses import replace

import numpy

from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.ir.kinds import (
    OUTPUT_AXIS,
    AveragePool,
    Convolution,
    DepthwiseConvolution,
    Kind,
    MaxPool,
    Pad,
    Padding,
    Reshape,
    TransposeConvolution,
)
from lwm2m_ml.compiler.ir.limits import check_elements
from lwm2m_ml.compiler.ir.shapes import window_output
from lwm2m_ml.compiler.ir.tensor import Array


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
        importer.weight_constant(node, 1, weights, OUTPUT_AXIS[type(kind)]),
        importer.float_constant(node, ".bias", bias),
    ]
    _finish(importer, node, kind, operands)


def _transpose_convolution(importer: OnnxImporter, node: Node) -> None:
    """Weights come as (I, O/groups, KH, KW); groups and dilation become zeros among them."""
    image = _image(importer, node)
    weights = importer.weights(node, 1)
    if weights.ndim == 3:
        weights = weights[:, :, None, :]
    if weights.ndim != 4:
        raise node.refuse(f"weights with {weights.ndim} axes", "One and two dimensions work")
    weights = _ungrouped(node, weights)
    dilation, stride = _pair(node, "dilations", 1), _pair(node, "strides", 1)
    window = tuple(spread * (size - 1) + 1 for spread, size in zip(dilation, weights.shape[2:], strict=True))
    check_elements((*weights.shape[:2], *window), f"The weights of {node.operator} at {node.place}")
    spread_out = numpy.zeros((*weights.shape[:2], *window), numpy.float32)
    spread_out[:, :, :: dilation[0], :: dilation[1]] = weights
    size, padding = _transposed_size(importer, node, image, window, stride)
    bias = importer.weights(node, 2) if node.has_input(2) else numpy.zeros(weights.shape[1])
    operands = [
        image,
        importer.float_constant(node, ".weights", spread_out.transpose(1, 2, 3, 0)),
        importer.float_constant(node, ".bias", bias),
    ]
    _finish(importer, node, TransposeConvolution(size, stride, padding), operands)


def _ungrouped(node: Node, weights: Array) -> Array:
    groups = node.integer("group", 1)
    inputs, outputs = weights.shape[:2]
    if groups < 1 or inputs % groups:
        raise node.refuse(f"{groups} groups of {inputs} channels")
    check_elements((inputs, outputs * groups, *weights.shape[2:]), f"The weights of {node.operator} at {node.place}")
    whole = numpy.zeros((inputs, outputs * groups, *weights.shape[2:]), numpy.float32)
    size = inputs // groups
    for group in range(groups):
        rows, columns = slice(group * size, (group + 1) * size), slice(group * outputs, (group + 1) * outputs)
        whole[rows, columns] = weights[rows]
    return whole


def _transposed_size(
    importer: OnnxImporter, node: Node, image: str, window: tuple[int, ...], stride: tuple[int, int]
) -> tuple[tuple[int, int], Padding]:
    """The size of the result, and what is cut off around it (ONNX, ConvTranspose)."""
    mode, lengths = node.text("auto_pad", "NOTSET"), importer.shape(image)[1:3]
    extra, pads = node.integers("output_padding"), node.integers("pads")
    wanted: tuple[int, ...] = node.integers("output_shape")[-2:]
    one = len(importer.shape(importer.operand(node, 0))) == 3
    if one:
        extra, pads, wanted = (0, *extra) if extra else (), (0, pads[0], 0, pads[1]) if pads else (), (1, *wanted[-1:])
    extra, pads = extra or (0, 0), pads or (0, 0, 0, 0)
    if mode.startswith("SAME"):
        wanted = tuple(length * step for length, step in zip(lengths, stride, strict=True))
    whole = [
        (length - 1) * step + size + more
        for length, step, size, more in zip(lengths, stride, window, extra, strict=True)
    ]
    if len(wanted) == 2:
        cut = [max(0, total - size) for total, size in zip(whole, wanted, strict=True)]
        before = [total // 2 if mode == "SAME_UPPER" else total - total // 2 for total in cut]
        pads = (before[0], before[1], cut[0] - before[0], cut[1] - before[1])
    if min((*pads, *extra)) < 0:
        raise node.refuse("negative padding")
    padding = Padding(pads[0], pads[2], pads[1], pads[3])
    size = (whole[0] - pads[0] - pads[2], whole[1] - pads[1] - pads[3])
    # Rows beyond the last window's reach are not cut off but hold the bias alone.
    return size, replace(padding, bottom=max(0, padding.bottom - extra[0]), right=max(0, padding.right - extra[1]))


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
    "ConvTranspose": _transpose_convolution,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "MaxPool": _pool,
}
