"""Weights as the block kernel reads them: two output channels to a word, parameters of the channels in between.

A word holds the weights of channels a and b for a pair of inputs (i, j): its low half is 256·a[i] + b[i], its high half
256·a[j] + b[j]. SMLAD of the word with (x[i], x[j]) sums 256·A + B; SXTB16 leaves (b[i], b[j]), whose SMLAD sums B. So
one word load and one extension serve four weights, and A = (sum₁ − sum₂) / 256, exactly.
"""

from collections.abc import Sequence

import numpy

from lwm2m_ml.compiler.arithmetic import Rounding
from lwm2m_ml.compiler.backends.native.kernels.constants import Words, channel_parameters
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.ir.tensor import Array

_LARGEST_OPERAND = 128
# 256·A must fit 32 bits, and twice (A + bias) too.
_LARGEST_DOT_PRODUCT = 1 << 23
_LARGEST_SUM = 1 << 30
# Biases share a word with their shift.
_LARGEST_BIAS = 1 << 26
# The zero point is added before the last shift: it must not run out of 32 bits.
_LARGEST_SHIFT = 20


def packable(layer: Layer, filters: Array, bias: Array) -> bool:
    """Whether the sums of a layer with filters (O, K) stay in the bounds that make the packed form exact."""
    requantization = layer.requantization
    sums = numpy.abs(filters.astype(numpy.int64)).sum(axis=1) * _LARGEST_OPERAND
    return bool(
        requantization.rounding is Rounding.DOUBLE
        and filters.min(initial=0) >= -127
        and sums.max(initial=0) < _LARGEST_DOT_PRODUCT
        and (sums + numpy.abs(bias.astype(numpy.int64))).max(initial=0) < _LARGEST_SUM
        and numpy.abs(bias.astype(numpy.int64)).max(initial=0) < _LARGEST_BIAS
        and all(-_LARGEST_SHIFT <= shift < 0 for shift in requantization.shifts)
    )


def pack_pair(first: Array, second: Array, pairs: Sequence[tuple[int, int]]) -> Words:
    """The words of two filters for pairs of inputs; inputs beyond the end have weight 0."""
    length = max(max(pair) for pair in pairs) + 1
    padded = numpy.zeros((2, length), numpy.int64)
    padded[0, : len(first)], padded[1, : len(second)] = first, second
    halves = (256 * padded[0] + padded[1]) & 0xFFFF
    order = numpy.array(pairs)
    words: Words = (halves[order[:, 0]] | halves[order[:, 1]] << 16).astype(numpy.uint32)
    return words


def channel_pairs(channels: int) -> list[tuple[int, int]]:
    """Channels two by two; the last of an odd number is computed together with the one before it once more."""
    pairs = [(channel, channel + 1) for channel in range(0, channels - 1, 2)]
    return pairs if channels % 2 == 0 else [*pairs, (channels - 2, channels - 1)]


def weight_stream(layer: Layer, filters: Array, bias: Array, pairs: Sequence[tuple[int, int]]) -> Words:
    """Everything the block kernel reads, in its order."""
    parts: list[Words] = []
    for first, second in channel_pairs(len(filters)):
        parts.append(pack_pair(filters[first], filters[second], pairs))
        parts.append(channel_parameters(layer, bias)[[first, second]].reshape(-1))
    return numpy.concatenate(parts)
