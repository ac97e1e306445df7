"""Measures what a model's inputs and answers look like, for devices and the service to hold the field against."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy

from lwm2m_ml.module.drift import MAXIMUM_CHANNELS, DriftReference
from lwm2m_ml.service.monitoring.baseline import DriftBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float32]

BINS = 8
MINIMUM_INPUTS = 20
"""With fewer, nothing is known of how inputs differ from each other, and each counts as one sample."""
MAXIMUM_FEATURE_CHANNELS = 16
"""An axis of an image or a signal that is longer holds positions, not channels."""
POSITIONS_PER_CHANNEL = 4
"""Of an image with one channel, an axis is taken for channels where the others are at least so many times as long."""


def measure(inputs: "Floats", decided: Sequence[int] = (), classes: int = 0) -> DriftBaseline:
    """Return the baseline of `inputs` (N, …), in real values, and of what a classifier answered to them.

    Each channel gets a histogram whose bins hold equal shares as far as its values allow; values that occur often make
    fewer, larger bins. Edges are single precision, as devices compare.
    """
    channels = _channels(inputs)
    edges = [_edges(values) for values in channels]
    reference = DriftReference(
        means=tuple(float(values.mean(dtype=numpy.float64)) for values in channels),
        deviations=tuple(float(values.std(dtype=numpy.float64)) for values in channels),
        edges=tuple(tuple(map(float, of_channel)) for of_channel in edges),
        shares=tuple(_shares(values, of_channel) for values, of_channel in zip(channels, edges, strict=True)),
        class_shares=_class_shares(decided, classes),
    )
    per_input = tuple(
        _samples_per_input(values, of_channel) for values, of_channel in zip(channels, edges, strict=True)
    )
    return DriftBaseline(reference, len(inputs), per_input)


def _channels(inputs: "Floats") -> list["Floats"]:
    """Split inputs into channels (N, values): features of a vector, else the axis that is one of few."""
    axis = _channel_axis(inputs.shape)
    if axis is None:
        return [inputs.reshape(len(inputs), -1)]
    return [inputs.take(number, axis=axis).reshape(len(inputs), -1) for number in range(inputs.shape[axis])]


def _channel_axis(shape: tuple[int, ...]) -> int | None:
    if len(shape) == 2:
        return 1 if shape[1] <= MAXIMUM_CHANNELS else None
    candidates = [axis for axis in (1, len(shape) - 1) if len(shape) > 2 and shape[axis] <= MAXIMUM_FEATURE_CHANNELS]
    axis = min(candidates, key=lambda axis: shape[axis], default=None)
    return axis if axis is None or shape[axis] > 1 else _axis_of_signals(shape)


def _axis_of_signals(shape: tuple[int, ...]) -> int | None:
    """The axis that signals were stacked along, such as the three of N × 1 × 3 × 64, where there is one."""
    axes = [axis for axis in range(1, len(shape)) if shape[axis] > 1]
    if len(axes) < 2:
        return None
    axis = min((axes[0], axes[-1]), key=lambda axis: shape[axis])
    others = [shape[other] for other in axes if other != axis]
    few = shape[axis] <= MAXIMUM_FEATURE_CHANNELS and min(others) >= POSITIONS_PER_CHANNEL * shape[axis]
    return axis if few else None


def _edges(values: "Floats") -> "Floats":
    quantiles = numpy.linspace(0.0, 1.0, BINS + 1)[1:-1]
    edges = numpy.unique(numpy.quantile(values, quantiles).astype(numpy.float32))
    # An edge at the smallest value would have nothing below it; the next value then parts what is equal from the rest.
    above = values[values > edges[0]]
    if edges[0] <= values.min() and len(edges) == 1 and above.size:
        return numpy.asarray([above.min()], dtype=numpy.float32)
    return edges


def _shares(values: "Floats", edges: "Floats") -> tuple[float, ...]:
    counts = numpy.bincount(numpy.searchsorted(edges, values.reshape(-1), "right"), minlength=len(edges) + 1)
    return tuple(float(count) / values.size for count in counts)


def _samples_per_input(values: "Floats", edges: "Floats") -> float:
    """Return how many independent values one input is worth, from 1 to as many as it has.

    The values of one image or signal resemble each other, so histograms of whole inputs vary more than those of values
    drawn one by one. The mean of the bins' design effects says how much more (Rao and Scott, The analysis of
    categorical data from complex sample surveys, 1981).
    """
    count = values.shape[1]
    bins = numpy.searchsorted(edges, values, "right")
    shares = numpy.stack([(bins == number).mean(axis=1) for number in range(len(edges) + 1)], axis=1)
    mean, variance = shares.mean(axis=0), shares.var(axis=0)
    filled = (mean > 0.0) & (mean < 1.0)
    if count == 1 or not filled.any() or len(values) < MINIMUM_INPUTS:
        return 1.0
    effects = count * variance[filled] / mean[filled]
    effect = float(effects.sum() / max(int(filled.sum()) - 1, 1))
    return float(min(max(count / max(effect, 1e-9), 1.0), count))


def _class_shares(decided: Sequence[int], classes: int) -> tuple[float, ...]:
    known = [number for number in decided if 0 <= number < classes]
    return tuple(known.count(number) / len(known) for number in range(classes)) if known else ()
