"""Operations that move elements and compute nothing: the same for every element type."""

from collections.abc import Sequence

import numpy

from lwm2m_ml.compiler.ir import kinds
from lwm2m_ml.compiler.ir.tensor import Array


def align(operands: Sequence[Array]) -> list[Array]:
    """Operands with equally many axes, so that they broadcast behind the axis of samples."""
    rank = max(operand.ndim for operand in operands)
    return [
        operand.reshape(operand.shape[0], *(1,) * (rank - operand.ndim), *operand.shape[1:]) for operand in operands
    ]


def reshape(kind: kinds.Reshape, operands: Sequence[Array]) -> Array:
    """Another shape, the samples kept apart."""
    return operands[0].reshape(operands[0].shape[0], *kind.shape)


def transpose(kind: kinds.Transpose, operands: Sequence[Array]) -> Array:
    """Another order of axes."""
    return operands[0].transpose(0, *(axis + 1 for axis in kind.permutation))


def pad(kind: kinds.Pad, operands: Sequence[Array], value: float) -> Array:
    """Elements of one value around."""
    around = ((0, 0), *zip(kind.before, kind.after, strict=True))
    return numpy.pad(operands[0], around, constant_values=value)


def concatenate(kind: kinds.Concatenate, operands: Sequence[Array]) -> Array:
    """Operands one after the other; constants are repeated for every sample."""
    samples = max(operand.shape[0] for operand in operands)
    whole = [numpy.broadcast_to(operand, (samples, *operand.shape[1:])) for operand in operands]
    return numpy.concatenate(whole, axis=kind.axis + 1)


def cut(kind: kinds.Slice, operands: Sequence[Array]) -> Array:
    """A range of every axis."""
    ranges = (slice(*bounds) for bounds in zip(kind.begin, kind.end, kind.step, strict=True))
    return operands[0][(slice(None), *ranges)]
