"""How far a device's inputs have moved from those that its model was made for (42770/x/31, 42771/x/15)."""

import math

import numpy
import numpy.typing

from lwm2m_ml.module.drift import DriftReference
from lwm2m_ml_simulator.inference.channels import split

MINIMUM_INPUTS = 20
"""Fewer inputs say nothing about a distribution."""
_FLOOR = 1e-4
FloatArray = numpy.typing.NDArray[numpy.float32]


class DriftMonitor:
    """A histogram per channel of the inputs since the last reset, against the one in the module's descriptor.

    The score is the population stability index, Σ (p − q) ln(p / q) over the bins, of the channel that moved most:
    below 0.1 nothing happened, above 0.25 the inputs are others.
    """

    def __init__(self, reference: DriftReference) -> None:
        self._reference = reference
        self._counts = [numpy.zeros(len(shares), dtype=numpy.int64) for shares in reference.shares]
        self._inputs = 0

    def add(self, values: FloatArray) -> None:
        """Count one input, in real values."""
        edges_of = self._reference.edges
        for channel, (edges, of_channel) in enumerate(zip(edges_of, split(values, len(edges_of)), strict=True)):
            bins = numpy.searchsorted(numpy.asarray(edges), of_channel, "right")
            self._counts[channel] += numpy.bincount(bins, minlength=len(edges) + 1)
        self._inputs += 1

    def emptied(self) -> "DriftMonitor":
        """Return a monitor for the same module that has seen nothing."""
        return DriftMonitor(self._reference)

    @property
    def histogram(self) -> tuple[int, ...]:
        """The counts of all bins, channel by channel."""
        return tuple(int(count) for counts in self._counts for count in counts)

    @property
    def score(self) -> float | None:
        """The population stability index; None while there is too little to tell."""
        if self._inputs < MINIMUM_INPUTS:
            return None
        return max(
            _stability_index(counts / counts.sum(), numpy.asarray(shares))
            for counts, shares in zip(self._counts, self._reference.shares, strict=True)
        )


def _stability_index(now: numpy.typing.NDArray[numpy.float64], then: numpy.typing.NDArray[numpy.float64]) -> float:
    now, then = numpy.maximum(now, _FLOOR), numpy.maximum(then, _FLOOR)
    index = float(((now - then) * numpy.log(now / then)).sum())
    return index if math.isfinite(index) else 0.0
