"""Channels-first models in a channels-last representation: the one place that knows both orders."""

from collections.abc import Sequence
from typing import TypeVar

import numpy

from lwm2m_ml.compiler.ir.axes import moves_only_ones
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import Reshape, Transpose
from lwm2m_ml.compiler.ir.tensor import Array

Item = TypeVar("Item")


def channels_last_order(rank: int) -> tuple[int, ...]:
    """Axes of a channels-first tensor in channels-last order; tensors of rank two and less have only one order."""
    return tuple(range(rank)) if rank < 3 else (0, *range(2, rank), 1)


def channels_first_order(rank: int) -> tuple[int, ...]:
    """The inverse of `channels_last_order`."""
    return tuple(range(rank)) if rank < 3 else (0, rank - 1, *range(1, rank - 1))


def to_channels_last(items: Sequence[Item]) -> tuple[Item, ...]:
    """Per-axis facts (lengths, paddings …) of a channels-first tensor, in channels-last order."""
    return tuple(items[axis] for axis in channels_last_order(len(items)))


def to_channels_first(items: Sequence[Item]) -> tuple[Item, ...]:
    """Per-axis facts of a channels-last tensor, in channels-first order."""
    return tuple(items[axis] for axis in channels_first_order(len(items)))


def constant_to_channels_last(data: Array, rank: int) -> Array:
    """A channels-first constant broadcast against tensors of `rank`, stored channels last."""
    aligned = data.reshape((1,) * (rank - data.ndim) + data.shape)
    return numpy.ascontiguousarray(aligned.transpose(channels_last_order(rank)))


def add_transpose(builder: GraphBuilder, name: str, permutation: tuple[int, ...], wish: str) -> str:
    """Reorder axes; a reshape when only axes of length one move, nothing when none does."""
    shape = builder.tensors[name].shape
    if permutation == tuple(range(len(shape))):
        return name
    if moves_only_ones(shape, permutation):
        return builder.add(Reshape(tuple(shape[axis] for axis in permutation)), [name], wish)
    return builder.add(Transpose(permutation), [name], wish)
