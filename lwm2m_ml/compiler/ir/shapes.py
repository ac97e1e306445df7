"""The shape that each kind of operation gives to its result."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from lwm2m_ml.compiler.errors import WrongShape
from lwm2m_ml.compiler.ir import kinds
from lwm2m_ml.compiler.ir.kinds import Kind, Padding
from lwm2m_ml.compiler.ir.recurrent_shapes import RECURRENT_RULES
from lwm2m_ml.compiler.ir.signals import Spectrogram, spectrogram_shape
from lwm2m_ml.compiler.ir.training import TRAINING_RULES
from lwm2m_ml.compiler.ir.trees import TreeEnsemble, tree_ensemble_shape

Shape = tuple[int, ...]


def window_output(length: int, window: int, stride: int, before: int, after: int, *, dilation: int = 1) -> int:
    """How many positions a window has along one axis."""
    return (length + before + after - dilation * (window - 1) - 1) // stride + 1


def infer_shape(kind: Kind, shapes: Sequence[Shape]) -> Shape:
    """The shape of the result of `kind` on operands of these shapes; raises WrongShape when they do not fit."""
    shape = _RULES[type(kind)](kind, shapes)
    if any(length < 1 for length in shape):
        raise WrongShape(f"{type(kind).__name__} of {_text(shapes)} would have the shape {shape}")
    return shape


def _text(shapes: Sequence[Shape]) -> str:
    return " and ".join("×".join(map(str, shape)) or "scalar" for shape in shapes)


def _require(condition: bool, kind: Kind, shapes: Sequence[Shape], rule: str) -> None:
    if not condition:
        raise WrongShape(f"{type(kind).__name__} of {_text(shapes)}: {rule}")


def _windows(
    image: Shape, window: Shape, stride: Shape, padding: Padding, dilation: tuple[int, int] = (1, 1)
) -> tuple[int, int]:
    height = window_output(image[1], window[0], stride[0], padding.top, padding.bottom, dilation=dilation[0])
    width = window_output(image[2], window[1], stride[1], padding.left, padding.right, dilation=dilation[1])
    return height, width


def _convolution(kind: kinds.Convolution, shapes: Sequence[Shape]) -> Shape:
    image, weights, bias = shapes
    _require(len(image) == 4 and len(weights) == 4, kind, shapes, "image and weights must have four axes")
    _require(image[3] == weights[3] * kind.groups, kind, shapes, "the input channels do not match")
    _require(weights[0] % kind.groups == 0, kind, shapes, "the groups do not divide the output channels")
    _require(bias == (weights[0],), kind, shapes, "the bias must have one value per output channel")
    return (image[0], *_windows(image, weights[1:3], kind.stride, kind.padding, kind.dilation), weights[0])


def _depthwise(kind: kinds.DepthwiseConvolution, shapes: Sequence[Shape]) -> Shape:
    image, weights, bias = shapes
    _require(len(image) == 4 and len(weights) == 3, kind, shapes, "four axes of image and three of weights needed")
    _require(weights[2] % image[3] == 0, kind, shapes, "the output channels must be a multiple of the input channels")
    _require(bias == (weights[2],), kind, shapes, "the bias must have one value per output channel")
    return (image[0], *_windows(image, weights[0:2], kind.stride, kind.padding, kind.dilation), weights[2])


def _transpose_convolution(kind: kinds.TransposeConvolution, shapes: Sequence[Shape]) -> Shape:
    image, weights, bias = shapes
    _require(len(image) == 4 and len(weights) == 4, kind, shapes, "image and weights must have four axes")
    _require(image[3] == weights[3], kind, shapes, "the input channels do not match")
    _require(bias == (weights[0],), kind, shapes, "the bias must have one value per output channel")
    result = (image[0], *kind.size, weights[0])
    back = _windows(result, weights[1:3], kind.stride, kind.padding)
    _require(back == image[1:3], kind, shapes, f"no result of {kind.size[0]}×{kind.size[1]} can come of it")
    return result


def _fully_connected(kind: kinds.FullyConnected, shapes: Sequence[Shape]) -> Shape:
    rows, weights, bias = shapes
    _require(len(rows) == 2 and len(weights) == 2 and rows[1] == weights[1], kind, shapes, "the lengths do not match")
    _require(bias == (weights[0],), kind, shapes, "the bias must have one value per output")
    return (rows[0], weights[0])


def _pool(kind: kinds.AveragePool | kinds.MaxPool, shapes: Sequence[Shape]) -> Shape:
    (image,) = shapes
    _require(len(image) == 4, kind, shapes, "the image must have four axes")
    padding = kind.padding
    _require(
        max(padding.top, padding.bottom) < kind.window[0] and max(padding.left, padding.right) < kind.window[1],
        kind,
        shapes,
        "the padding is as large as the window",
    )
    return (image[0], *_windows(image, kind.window, kind.stride, kind.padding), image[3])


def _mean(kind: kinds.Mean, shapes: Sequence[Shape]) -> Shape:
    _require(all(0 <= axis < len(shapes[0]) for axis in kind.axes), kind, shapes, "an axis does not exist")
    return tuple(1 if axis in kind.axes else length for axis, length in enumerate(shapes[0]))


def broadcast(shapes: Sequence[Shape]) -> Shape | None:
    """The shape that operands are broadcast to, None when they cannot be."""
    rank = max(map(len, shapes))
    aligned = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    lengths = [{length for length in column if length != 1} for column in zip(*aligned, strict=True)]
    return None if any(len(column) > 1 for column in lengths) else tuple(max(column, default=1) for column in lengths)


def _binary(kind: kinds.Binary, shapes: Sequence[Shape]) -> Shape:
    shape = broadcast(shapes)
    _require(shape is not None, kind, shapes, "the shapes cannot be broadcast")
    return shape or ()


def _same(_kind: Kind, shapes: Sequence[Shape]) -> Shape:
    return shapes[0]


def _last_axis(kind: Kind, shapes: Sequence[Shape]) -> Shape:
    _require(len(shapes[0]) >= 1, kind, shapes, "at least one axis needed")
    return shapes[0]


def _batch_normalization(kind: kinds.BatchNormalization, shapes: Sequence[Shape]) -> Shape:
    _require(
        len(shapes[0]) >= 2 and all(shape == (shapes[0][-1],) for shape in shapes[1:]),
        kind,
        shapes,
        "one parameter per channel needed",
    )
    return shapes[0]


def _parametric_relu(kind: kinds.ParametricRelu, shapes: Sequence[Shape]) -> Shape:
    _require(broadcast(shapes) == shapes[0], kind, shapes, "the slopes cannot be broadcast")
    return shapes[0]


def _resize_nearest(kind: kinds.ResizeNearest, shapes: Sequence[Shape]) -> Shape:
    (image,) = shapes
    _require(len(image) == 4, kind, shapes, "the image must have four axes")
    inside = all(0 <= row < image[1] for row in kind.rows) and all(0 <= column < image[2] for column in kind.columns)
    _require(inside, kind, shapes, "a row or column does not exist")
    return (image[0], len(kind.rows), len(kind.columns), image[3])


def _resize_bilinear(kind: kinds.ResizeBilinear, shapes: Sequence[Shape]) -> Shape:
    (image,) = shapes
    _require(len(image) == 4, kind, shapes, "the image must have four axes")
    return (image[0], *kind.size, image[3])


def _reshape(kind: kinds.Reshape, shapes: Sequence[Shape]) -> Shape:
    _require(
        all(length > 0 for length in kind.shape) and math.prod(kind.shape) == math.prod(shapes[0]),
        kind,
        shapes,
        f"{'×'.join(map(str, kind.shape))} has another number of elements",
    )
    return kind.shape


def _transpose(kind: kinds.Transpose, shapes: Sequence[Shape]) -> Shape:
    _require(sorted(kind.permutation) == list(range(len(shapes[0]))), kind, shapes, "not a permutation of the axes")
    return tuple(shapes[0][axis] for axis in kind.permutation)


def _pad(kind: kinds.Pad, shapes: Sequence[Shape]) -> Shape:
    _require(len(kind.before) == len(kind.after) == len(shapes[0]), kind, shapes, "one padding per axis needed")
    _require(min((0, *kind.before, *kind.after)) == 0, kind, shapes, "padding cannot be negative")
    return tuple(map(sum, zip(shapes[0], kind.before, kind.after, strict=True)))


def _concatenate(kind: kinds.Concatenate, shapes: Sequence[Shape]) -> Shape:
    first = shapes[0]
    _require(0 <= kind.axis < len(first), kind, shapes, "the axis does not exist")
    rests = {(*shape[: kind.axis], *shape[kind.axis + 1 :], len(shape)) for shape in shapes}
    _require(len(rests) == 1, kind, shapes, "the other axes differ")
    return (*first[: kind.axis], sum(shape[kind.axis] for shape in shapes), *first[kind.axis + 1 :])


def _slice(kind: kinds.Slice, shapes: Sequence[Shape]) -> Shape:
    (shape,) = shapes
    _require(
        len(kind.begin) == len(kind.end) == len(kind.step) == len(shape), kind, shapes, "one range per axis needed"
    )
    _require(
        all(
            0 <= begin < end <= length and step > 0
            for begin, end, step, length in zip(kind.begin, kind.end, kind.step, shape, strict=True)
        ),
        kind,
        shapes,
        "a range is outside",
    )
    return tuple(-(-(end - begin) // step) for begin, end, step in zip(kind.begin, kind.end, kind.step, strict=True))


_RULES: dict[type, Callable[[Any, Sequence[Shape]], Shape]] = {
    kinds.Convolution: _convolution,
    kinds.DepthwiseConvolution: _depthwise,
    kinds.TransposeConvolution: _transpose_convolution,
    kinds.FullyConnected: _fully_connected,
    kinds.AveragePool: _pool,
    kinds.MaxPool: _pool,
    kinds.Mean: _mean,
    kinds.Binary: _binary,
    kinds.Unary: _same,
    kinds.Softmax: _last_axis,
    kinds.BatchNormalization: _batch_normalization,
    kinds.Reshape: _reshape,
    kinds.Transpose: _transpose,
    kinds.Pad: _pad,
    kinds.Concatenate: _concatenate,
    kinds.Slice: _slice,
    kinds.ParametricRelu: _parametric_relu,
    kinds.ResizeNearest: _resize_nearest,
    kinds.ResizeBilinear: _resize_bilinear,
    kinds.Requantize: _same,
    kinds.Quantize: _same,
    kinds.Dequantize: _same,
    **RECURRENT_RULES,
    TreeEnsemble: tree_ensemble_shape,
    Spectrogram: spectrogram_shape,
    **TRAINING_RULES,
}
