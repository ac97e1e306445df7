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


@dataclass(frozen=True, slots=True)
class MeanSquaredError:
    """The range, inside the full one, whose int8 codes are nearest to the values in the mean of squares."""

    candidates: int = 40
    # So many values, evenly taken, tell the same as all of them.
    values: int = 1 << 14

    def observe(self, values: Array) -> Range:
        """The best of the full range made smaller in even steps, down to a fifth."""
        full = MinimumMaximum().observe(values)
        flat = values.reshape(-1)
        some = flat[:: max(1, flat.size // self.values)].astype(numpy.float64)
        shares = numpy.linspace(1.0, 0.2, self.candidates)
        return min((_scaled(full, share) for share in shares), key=lambda found: _rounding_error(some, found))


def _scaled(full: Range, share: float) -> Range:
    return Range(full.low * share, full.high * share)


def _rounding_error(values: Array, found: Range) -> float:
    """The mean square of what 256 even codes over a range lose of the values."""
    scale = (found.high - found.low) / 255 or 1.0
    zero = numpy.rint(found.low / scale)
    restored = (numpy.clip(numpy.rint(values / scale), zero, zero + 255)) * scale
    return float(numpy.square(values - restored).mean())


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


@dataclass(frozen=True, slots=True)
class Observations:
    """Of every tensor that is given or computed: its range, and its mean per channel (last axis)."""

    ranges: Mapping[str, Range]
    means: Mapping[str, Array]


def observe(graph: Graph, inputs: Mapping[str, Array], observer: Observer) -> Observations:
    """What the tensors of a graph take on samples; many samples are observed in portions."""
    elements = sum(tensor.elements for tensor in graph.tensors.values() if not tensor.is_constant)
    portion = max(1, _PORTION_ELEMENTS // elements)
    ranges: dict[str, Range] = {}
    sums: dict[str, Array] = {}
    samples = len(next(iter(inputs.values())))
    for start in range(0, samples, portion):
        values = run_all(graph, {name: array[start : start + portion] for name, array in inputs.items()})
        for name, array in values.items():
            found = observer.observe(array)
            ranges[name] = ranges[name].joined(found) if name in ranges else found
            rows = array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1)
            part = rows.mean(axis=0, dtype=numpy.float64) * (len(array) / samples)
            sums[name] = sums[name] + part if name in sums else part
    for name, found in ranges.items():
        if not (numpy.isfinite(found.low) and numpy.isfinite(found.high)):
            raise CalibrationError(f"Tensor {name} takes infinite or undefined values on the calibration data")
    return Observations(ranges, sums)
