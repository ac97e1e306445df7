"""Reads ONNX operators that move values: reshapes, transpositions, padding, concatenation, slices."""

import math

import numpy

from lwm2m_ml.compiler.errors import WrongShape
from lwm2m_ml.compiler.frontends.layout import (
    add_transpose,
    channels_first_order,
    channels_last_order,
    to_channels_first,
    to_channels_last,
)
from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.ir.kinds import Concatenate, Pad, Reshape, Slice
from lwm2m_ml.compiler.ir.limits import check_elements


def _as_in_model(importer: OnnxImporter, node: Node) -> str:
    """The first operand with its elements in the model's order."""
    name = importer.operand(node, 0)
    order = channels_first_order(len(importer.shape(name)))
    return add_transpose(importer.builder, name, order, f"{name}.nchw")


def _shaped(importer: OnnxImporter, node: Node, shape: tuple[int, ...]) -> None:
    """The first operand under another shape, given as in the model."""
    check_elements(shape, f"The result of {node.operator} at {node.place}")
    result = importer.add(node, Reshape(shape), [_as_in_model(importer, node)])
    order = channels_last_order(len(shape))
    importer.names[node.outputs[0]] = add_transpose(importer.builder, result, order, f"{result}.nhwc")


def _model_shape(importer: OnnxImporter, node: Node) -> tuple[int, ...]:
    return to_channels_first(importer.shape(importer.operand(node, 0)))


def _flatten(importer: OnnxImporter, node: Node) -> None:
    shape = _model_shape(importer, node)
    axis = node.integer("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    _shaped(importer, node, (math.prod(shape[:axis]), math.prod(shape[axis:])))


def _reshape(importer: OnnxImporter, node: Node) -> None:
    shape = _model_shape(importer, node)
    wanted = [int(length) for length in importer.constant(node, 1).reshape(-1)]
    if not node.integer("allowzero", 0):
        wanted = [shape[axis] if length == 0 else length for axis, length in enumerate(wanted)]
    if wanted.count(-1) > 1 or min(wanted, default=1) < -1:
        raise WrongShape(f"the shape {tuple(wanted)} is not one")
    if -1 in wanted:
        known = -math.prod(wanted)
        wanted[wanted.index(-1)] = math.prod(shape) // max(known, 1)
    _shaped(importer, node, tuple(wanted))


def _squeeze(importer: OnnxImporter, node: Node) -> None:
    shape = _model_shape(importer, node)
    axes = importer.integers(node, 1, "axes")
    drop = {axis % len(shape) for axis in axes} if axes else {axis for axis, length in enumerate(shape) if length == 1}
    _shaped(importer, node, tuple(length for axis, length in enumerate(shape) if axis not in drop))


def _unsqueeze(importer: OnnxImporter, node: Node) -> None:
    shape = list(_model_shape(importer, node))
    axes = importer.integers(node, 1, "axes") or ()
    rank = len(shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        shape.insert(axis, 1)
    _shaped(importer, node, tuple(shape))


def _transpose(importer: OnnxImporter, node: Node) -> None:
    name = _as_in_model(importer, node)
    rank = len(importer.shape(name))
    permutation = node.integers("perm") or tuple(reversed(range(rank)))
    if sorted(permutation) != list(range(rank)):
        raise node.refuse(f"{permutation} does not name every axis once")
    # One transposition does the model's and the change of layout together.
    combined = to_channels_last(permutation)
    importer.names[node.outputs[0]] = add_transpose(importer.builder, name, combined, node.outputs[0])


def _pad(importer: OnnxImporter, node: Node) -> None:
    if node.text("mode", "constant") != "constant":
        raise node.refuse("it does not pad with a constant", "Constant padding works")
    name = importer.operand(node, 0)
    rank = len(importer.shape(name))
    pads = importer.integers(node, 1, "pads") or (0,) * (2 * rank)
    if node.has_input(3) or len(pads) != 2 * rank or min(pads) < 0:
        raise node.refuse("negative padding or padding of chosen axes")
    value = float(importer.constant(node, 2).reshape(-1)[0]) if node.has_input(2) else node.real("value", 0.0)
    kind = Pad(to_channels_last(pads[:rank]), to_channels_last(pads[rank:]), value)
    importer.add(node, kind, [name])


def _concatenate(importer: OnnxImporter, node: Node) -> None:
    names = [importer.operand(node, index) for index in range(len(node.inputs))]
    rank = len(importer.shape(names[0]))
    axis = channels_last_order(rank).index(node.integer("axis", 1) % rank)
    importer.add(node, Concatenate(axis), names)


def _slice(importer: OnnxImporter, node: Node) -> None:
    shape = _model_shape(importer, node)
    rank = len(shape)
    starts, ends = importer.integers(node, 1, "starts") or (), importer.integers(node, 2, "ends") or ()
    axes = importer.integers(node, 3, "axes") or tuple(range(len(starts)))
    steps = importer.integers(node, 4, "steps") or (1,) * len(starts)
    begin, end, step = [0] * rank, list(shape), [1] * rank
    for start, stop, axis, stride in zip(starts, ends, axes, steps, strict=True):
        if stride < 1:
            raise node.refuse("negative steps")
        begin[axis % rank], end[axis % rank], _ = slice(start, stop).indices(shape[axis % rank])
        step[axis % rank] = stride
    kind = Slice(to_channels_last(begin), to_channels_last(end), to_channels_last(step))
    importer.add(node, kind, [importer.operand(node, 0)])


def _split(importer: OnnxImporter, node: Node) -> None:
    shape = importer.shape(importer.operand(node, 0))
    axis = channels_last_order(len(shape)).index(node.integer("axis", 0) % len(shape))
    parts = len(node.outputs)
    even = tuple(len(part) for part in numpy.array_split(numpy.arange(shape[axis]), parts))
    lengths = importer.integers(node, 1, "split") or even
    if sum(lengths) != shape[axis] or len(lengths) != parts:
        raise WrongShape(f"the parts {lengths} do not make up {shape[axis]}")
    start = 0
    for output, length in zip(node.outputs, lengths, strict=True):
        begin, end = [0] * len(shape), list(shape)
        begin[axis], end[axis] = start, start + length
        kind = Slice(tuple(begin), tuple(end), (1,) * len(shape))
        name = f"{node.operator} {node.place}"
        importer.names[output] = importer.builder.add(kind, [importer.operand(node, 0)], output, name=name)
        start += length


IMPORTERS = {
    "Concat": _concatenate,
    "Flatten": _flatten,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
