"""What drivers read from flash beside their code: the lengths of a layer, parameters of channels, weights.

A driver that reads its lengths serves all layers of its kind; one that has them as literals is faster.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.ir.kinds import Kind
from lwm2m_ml.compiler.ir.tensor import Array

Words = NDArray[numpy.uint32]

# Lengths take 16 bits.
LARGEST_LENGTH = 1 << 15
# What may be negative; all else is read as unsigned, which takes the smallest cores one instruction less.
_SIGNED = frozenset({"ROUNDING", "FEEDER_ROUNDING", "AWAY", "LOW", "HIGH", "ZERO"})


def channel_parameters(layer: Layer, bias: Array) -> Words:
    """Two words per channel: bias × 32 + shift, then the multiplier."""
    requantization = layer.requantization
    shifts = -numpy.array(requantization.shifts, numpy.int64)
    biases = bias.astype(numpy.int64) * 32 + shifts
    return numpy.stack([biases, numpy.array(requantization.multipliers)], axis=1).astype(numpy.uint32)


def byte_words(values: Array) -> Words:
    """Bytes in their order, filled up to whole words."""
    flat = numpy.asarray(values, numpy.int8).reshape(-1)
    filled = numpy.zeros(-(-len(flat) // 4) * 4, numpy.int8)
    filled[: len(flat)] = flat
    return filled.view(numpy.uint32)


def driver(
    text: str, shape: Mapping[str, int], sharers: Iterable[Mapping[str, int]], words: Words
) -> tuple[str, Words]:
    """The driver's C text with its lengths, and the constants it reads; `$REST` becomes the address of `words`.

    A length that differs among `sharers`, the shapes of all layers that may have this driver, is read where it is used,
    for registers are worth more than loads. The others become literals, and so do those beyond 16 bits.
    """
    shapes = list(sharers)
    read: list[int] = []
    for name, length in sorted(shape.items()):
        if not re.search(rf"\b{name}\b", text):
            continue
        if all(other[name] == length for other in shapes) or abs(length) >= LARGEST_LENGTH:
            text = re.sub(rf"\b{name}\b", f"({length})", text)
            continue
        c_type = "int16_t" if name in _SIGNED else "uint16_t"
        text = re.sub(rf"\b{name}\b", f"((const {c_type} *)constants)[{len(read)}]", text)
        read.append(length)
    head = numpy.array([*read, *[0] * (len(read) % 2)], numpy.int16).view(numpy.uint32)
    return text.replace("$REST", f"(constants + {len(head)})"), numpy.concatenate([head, words])


def peers(layer: Layer, *more: type[Kind]) -> list[Layer]:
    """The layers that may share a driver, itself included: for speed none, else all of its kind or of `more` kinds."""
    if layer.optimize == "speed":
        return [layer]
    others = (replace(layer, operation=operation, feeder=None) for operation in layer.graph.operations)
    alike = (other for other in others if isinstance(other.kind, (type(layer.kind), *more)))
    return [other for other in alike if other.operands[0].dtype is other.result.dtype is layer.result.dtype]


def first_reads(layer: Layer, stride: Sequence[int], top: int, left: int) -> Array:
    """For each pixel of a windowed layer's result the offset of the first operand that it, or a later one, reads."""
    _, _, width, channels = layer.operands[0].shape
    _, rows, columns, _ = layer.result.shape
    first_row = numpy.maximum(numpy.arange(rows) * stride[0] - top, 0)
    first_column = numpy.maximum(numpy.arange(columns) * stride[1] - left, 0)
    reads = ((first_row[:, None] * width + first_column[None, :]) * channels).reshape(-1)
    return numpy.minimum.accumulate(reads[::-1])[::-1]


def block_lead(layer: Layer, reads: Array, pixels: int) -> int:
    """How far writing runs ahead of reading when `pixels` results at a time are read for, then written."""
    ends = numpy.arange(pixels, len(reads), pixels)
    ahead: Array = ends * layer.result.shape[-1] - reads[ends]
    return int(max(0, ahead.max(initial=0)))
