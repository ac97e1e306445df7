"""Running figures of inferences: counts, latencies, classes, and the mean and deviation of what went in."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy
import numpy.typing


@dataclass(slots=True)
class LatencyStatistics:
    """Latencies in milliseconds since the last reset, and how many runs went well and badly."""

    inferences: int = 0
    failures: int = 0
    last: float | None = None
    maximum: float | None = None
    total: float = 0.0

    def add(self, latency_ms: float) -> None:
        """Count one run that went well."""
        self.inferences += 1
        self.last = latency_ms
        self.maximum = latency_ms if self.maximum is None else max(self.maximum, latency_ms)
        self.total += latency_ms

    @property
    def mean(self) -> float | None:
        """Mean latency, None before the first run."""
        return self.total / self.inferences if self.inferences else None


@dataclass(slots=True)
class Moments:
    """Mean and deviation of all values of one channel."""

    values: int = 0
    mean: float = 0.0
    _squares: float = 0.0

    def add(self, values: numpy.typing.NDArray[numpy.float32]) -> None:
        """Merge the moments of more values (Chan, Golub and LeVeque 1979)."""
        count, mean = values.size, float(values.mean())
        delta, total = mean - self.mean, self.values + count
        self._squares += float(((values - mean) ** 2).sum()) + delta * delta * self.values * count / total
        self.mean += delta * count / total
        self.values = total

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return math.sqrt(self._squares / self.values) if self.values else 0.0


@dataclass(slots=True)
class ResultStatistics:
    """Classes decided and inputs seen since the last reset; `inputs` by channel."""

    class_counts: Counter[int] = field(default_factory=Counter)
    undecided: int = 0
    inputs: list[Moments] = field(default_factory=list)

    def add(self, decided: int, channels: Sequence[numpy.typing.NDArray[numpy.float32]]) -> None:
        """Count one result (-1: no decision) and the values of its input, channel by channel."""
        if decided < 0:
            self.undecided += 1
        else:
            self.class_counts[decided] += 1
        self.inputs = self.inputs or [Moments() for _ in channels]
        for moments, values in zip(self.inputs, channels, strict=True):
            moments.add(values)
