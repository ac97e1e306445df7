"""Reads TFLite operators that resize, reduce, cut and stack, transposed convolutions and slopes."""

import math
from collections.abc import Callable, Mapping

import numpy
import tflite

from lwm2m_ml.compiler.errors import UnsupportedOperator, WrongShape
from lwm2m_ml.compiler.frontends.tflite_file import FileOperator
from lwm2m_ml.compiler.frontends.tflite_importer import TfliteImporter
from lwm2m_ml.compiler.frontends.tflite_options import options_of, positive, same_padding
from lwm2m_ml.compiler.ir import kinds
from lwm2m_ml.compiler.ir.kinds import BinaryFunction, Padding
from lwm2m_ml.compiler.ir.limits import check_elements


def _transpose_convolution(importer: TfliteImporter, operator: FileOperator) -> None:
    """Operands: the shape of the result, weights (O, KH, KW, I), the image, a bias."""
    options = options_of(operator, tflite.TransposeConvOptions)
    image = importer.operand(operator, 2)
    data = importer.constant(operator, 1).data
    assert data is not None  # noqa: S101 - see constant
    result = importer.file.tensors[operator.outputs[0]].shape
    stride = (int(options.StrideH()), int(options.StrideW()))
    positive(*stride)
    if data.ndim != 4 or len(result) != 4 or len(importer.shape(image)) != 4:
        raise WrongShape(f"weights {data.shape} do not fit the image {importer.shape(image)}")
    padding = Padding()
    if options.Padding() == tflite.Padding.SAME:
        padding = same_padding(result[1:3], data.shape[1:3], stride, (1, 1))
    activation = importer.activation(operator, options.FusedActivationFunction())
    kind = kinds.TransposeConvolution((result[1], result[2]), stride, padding, activation)
    weights = importer.weights(operator, 1, data, 0, image=2)
    importer.add(operator, kind, [image, weights, importer.bias(operator, 3, data.shape[0], image=2)])


def _mean(importer: TfliteImporter, operator: FileOperator) -> None:
    name = importer.operand(operator, 0)
    shape = importer.shape(name)
    axes = tuple(sorted({axis % len(shape) for axis in importer.integers(operator, 1)}))
    result = importer.file.tensors[operator.outputs[0]]
    kept = tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    if not axes or math.prod(kept) != math.prod(result.shape):
        raise WrongShape(f"the mean of {shape} over {axes} is not {result.shape}")
    if kept == result.shape:
        importer.add(operator, kinds.Mean(axes), [name])
        return
    mean = importer.builder.add(
        kinds.Mean(axes), [name], f"{result.name}/kept", name=operator.label, quantization=result.quantization
    )
    importer.add(operator, kinds.Reshape(result.shape), [mean])


def _parametric_relu(importer: TfliteImporter, operator: FileOperator) -> None:
    operands = [importer.operand(operator, 0), importer.operand(operator, 1)]
    importer.add(operator, kinds.ParametricRelu(), operands)


_EXTREMES = {"MAXIMUM": BinaryFunction.MAXIMUM, "MINIMUM": BinaryFunction.MINIMUM}


def _extreme(importer: TfliteImporter, operator: FileOperator) -> None:
    operands = [importer.operand(operator, 0), importer.operand(operator, 1)]
    importer.check_same_quantization(operator, operands)
    importer.add(operator, kinds.Binary(_EXTREMES[operator.name]), operands)


def nearest_indices(length: int, size: int, *, align_corners: bool, half_pixel_centers: bool) -> tuple[int, ...]:
    """Which element each position of the result takes, as GetNearestNeighbor in resize_nearest_neighbor.h."""
    scale = numpy.float32(length) / numpy.float32(size)
    if align_corners and size > 1:
        scale = numpy.float32(length - 1) / numpy.float32(size - 1)
    offset = numpy.float32(0.5 if half_pixel_centers else 0)
    indices = []
    for position in range(size):
        place = (numpy.float32(position) + offset) * scale
        # C's round: halves away from zero.
        index = math.floor(float(place) + 0.5) if align_corners else math.floor(place)
        indices.append(max(0, min(index, length - 1)))
    return tuple(indices)


def _resize_nearest(importer: TfliteImporter, operator: FileOperator) -> None:
    options = options_of(operator, tflite.ResizeNearestNeighborOptions)
    image = importer.operand(operator, 0)
    size, shape = importer.integers(operator, 1), importer.shape(image)
    positive(*size)
    check_elements((*size, shape[-1]), f"The result of {operator.label}")
    rows, columns = (
        nearest_indices(
            shape[axis + 1],
            size[axis],
            align_corners=bool(options.AlignCorners()),
            half_pixel_centers=bool(options.HalfPixelCenters()),
        )
        for axis in (0, 1)
    )
    importer.add(operator, kinds.ResizeNearest(rows, columns), [image])


def _resize_bilinear(importer: TfliteImporter, operator: FileOperator) -> None:
    options = options_of(operator, tflite.ResizeBilinearOptions)
    height, width = importer.integers(operator, 1)
    positive(height, width)
    kind = kinds.ResizeBilinear((height, width), bool(options.AlignCorners()), bool(options.HalfPixelCenters()))
    importer.add(operator, kind, [importer.operand(operator, 0)])


def _strided_slice(importer: TfliteImporter, operator: FileOperator) -> None:
    options = options_of(operator, tflite.StridedSliceOptions)
    name = importer.operand(operator, 0)
    shape = importer.shape(name)
    begin, end, step = (list(importer.integers(operator, position)) for position in (1, 2, 3))
    if options.EllipsisMask() or options.NewAxisMask() or len(begin) > len(shape):
        raise UnsupportedOperator(
            operator.name, operator.place, why="it adds axes", hint="Ranges and single elements work"
        )
    ranges = []
    for axis, length in enumerate(shape):
        if axis >= len(begin):
            ranges.append((0, length, 1))
            continue
        if step[axis] < 1:
            raise UnsupportedOperator(operator.name, operator.place, why="a step is negative", hint="Use positive ones")
        first = None if options.BeginMask() >> axis & 1 else begin[axis]
        last = None if options.EndMask() >> axis & 1 else end[axis]
        if options.ShrinkAxisMask() >> axis & 1:
            first, last = begin[axis], begin[axis] + 1 or None
        ranges.append(slice(first, last, step[axis]).indices(length))
    kind = kinds.Slice(*(tuple(column) for column in zip(*ranges, strict=True)))
    _reshaped(importer, operator, kind, [name])


def _reshaped(importer: TfliteImporter, operator: FileOperator, kind: kinds.Kind, operands: list[str]) -> None:
    """Add an operation whose result the file knows under another shape."""
    quantization = importer.builder.tensors[operands[0]].quantization
    result = importer.file.tensors[operator.outputs[0]]
    part = importer.builder.add(kind, operands, f"{result.name}/part", name=operator.label, quantization=quantization)
    importer.add(operator, kinds.Reshape(result.shape), [part])


def _pack(importer: TfliteImporter, operator: FileOperator) -> None:
    axis = int(options_of(operator, tflite.PackOptions).Axis())
    rank = len(importer.file.tensors[operator.outputs[0]].shape)
    parts = []
    for position in range(len(operator.inputs)):
        name = importer.operand(operator, position)
        shape = list(importer.shape(name))
        shape.insert(axis % rank, 1)
        quantization = importer.builder.tensors[name].quantization
        parts.append(
            importer.builder.add(kinds.Reshape(tuple(shape)), [name], f"{name}/part", quantization=quantization)
        )
    importer.add(operator, kinds.Concatenate(axis % rank), parts)


def _unpack(importer: TfliteImporter, operator: FileOperator) -> None:
    name = importer.operand(operator, 0)
    shape = importer.shape(name)
    axis = int(options_of(operator, tflite.UnpackOptions).Axis()) % len(shape)
    quantization = importer.builder.tensors[name].quantization
    for number, index in enumerate(operator.outputs):
        begin, end = [0] * len(shape), list(shape)
        begin[axis], end[axis] = number, number + 1
        kind = kinds.Slice(tuple(begin), tuple(end), (1,) * len(shape))
        part = importer.builder.add(kind, [name], f"{name}/part", name=operator.label, quantization=quantization)
        importer.add_result(operator, kinds.Reshape(importer.file.tensors[index].shape), [part], index)


def _split_unevenly(importer: TfliteImporter, operator: FileOperator) -> None:
    """SPLIT_V: the file's result shapes say the lengths."""
    name = importer.operand(operator, 0)
    shape = importer.shape(name)
    axis = importer.integers(operator, 2)[0] % len(shape)
    start = 0
    for index in operator.outputs:
        length = importer.file.tensors[index].shape[axis]
        begin, end = [0] * len(shape), list(shape)
        begin[axis], end[axis] = start, start + length
        importer.add_result(operator, kinds.Slice(tuple(begin), tuple(end), (1,) * len(shape)), [name], index)
        start += length


IMPORTERS: Mapping[str, Callable[[TfliteImporter, FileOperator], None]] = {
    **dict.fromkeys(_EXTREMES, _extreme),
    "MEAN": _mean,
    "PACK": _pack,
    "PRELU": _parametric_relu,
    "RESIZE_BILINEAR": _resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest,
    "SPLIT_V": _split_unevenly,
    "STRIDED_SLICE": _strided_slice,
    "TRANSPOSE_CONV": _transpose_convolution,
    "UNPACK": _unpack,
}
