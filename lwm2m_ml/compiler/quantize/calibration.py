"""Observes the range of every tensor of a float graph over samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy

from lwm2m_ml.compiler.errors import CalibrationError
from lwm2m_ml.compiler.interpreter import run_all
from lwm2m_ml.compiler.ir import Array, Graph

_RANDOM_SAMPLES = 16
# All tensors of a portion of the samples are in memory together; so many elements take a quarter of a gigabyte.
_PORTION_ELEMENTS = 1 << 26
_RANDOM_SEED = 20_240_501


@dataclass(frozen=True, slots=True)
class Range:
    """The interval of real values that a tensor takes; always holds zero, so that zero is exact."""

    low: float
    high: float

    def joined(self, other: "Range") -> "Range":
        """The smallest interval that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


class Observer(Protocol):
    """Chooses the range of a tensor from the values it took."""

    def observe(self, values: Array) -> Range:
        """The range for values of all samples; axis 0 counts samples."""


@dataclass(frozen=True, slots=True)
class MinimumMaximum:
    """The full range: no value seen in calibration is clipped."""

    def observe(self, values: Array) -> Range:
        """The range from the smallest to the largest value."""
        return Range(min(0.0, float(values.min())), max(0.0, float(values.max())))


@dataclass(frozen=True, slots=True)
class Percentile:
    """The range that holds all but the rarest values: outliers are clipped for a finer scale elsewhere."""

    percent: float = 99.99

    def observe(self, values: Array) -> Range:
        """The range between two percentiles."""
        low, high = numpy.percentile(values, [100 - self.percent, self.percent])
        return Range(min(0.0, float(low)), max(0.0, float(high)))


def check_samples(graph: Graph, samples: Array, what: str) -> Array:
    """Samples as float32 of the input's shape; an axis of length one for the batch may be left out."""
    shape = graph.tensor(graph.inputs[0]).shape
    values = numpy.asarray(samples)
    if values.dtype.kind not in "fiub":
        raise CalibrationError(f"The {what} are {values.dtype}, not numbers")
    if values.shape[1:] == shape[1:] and shape[:1] == (1,):
        values = values[:, None]
    if values.shape[1:] != shape or not values.shape[0]:
        raise CalibrationError(
            f"The {what} have the shape {values.shape}", hint=f"The model takes samples of the shape {shape}"
        )
    values = values.astype(numpy.float32)
    if not numpy.isfinite(values).all():
        raise CalibrationError(f"The {what} hold infinite or undefined numbers")
    return values


def random_samples(graph: Graph, count: int = _RANDOM_SAMPLES) -> Array:
    """Seeded samples, uniform in 0…1, for models that come without calibration data."""
    shape = graph.tensor(graph.inputs[0]).shape
    generator = numpy.random.Generator(numpy.random.PCG64(_RANDOM_SEED))
    return generator.random((count, *shape), dtype=numpy.float32)


def observe_ranges(graph: Graph, inputs: Mapping[str, Array], observer: Observer) -> dict[str, Range]:
    """The range of every tensor that is given or computed; many samples are observed in portions."""
    elements = sum(tensor.elements for tensor in graph.tensors.values() if not tensor.is_constant)
    portion = max(1, _PORTION_ELEMENTS // elements)
    ranges: dict[str, Range] = {}
    for start in range(0, len(next(iter(inputs.values()))), portion):
        values = run_all(graph, {name: array[start : start + portion] for name, array in inputs.items()})
        for name, array in values.items():
            found = observer.observe(array)
            ranges[name] = ranges[name].joined(found) if name in ranges else found
    for name, found in ranges.items():
        if not (numpy.isfinite(found.low) and numpy.isfinite(found.high)):
            raise CalibrationError(f"Tensor {name} takes infinite or undefined values on the calibration data")
    return ranges
