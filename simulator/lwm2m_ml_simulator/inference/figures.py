"""What a device knows of the module in a slot by running it: results, counts, latencies, how its inputs look."""

from dataclasses import dataclass, field

import numpy

from lwm2m_ml_simulator.inference.drift import DriftMonitor
from lwm2m_ml_simulator.inference.statistics import LatencyStatistics, ResultStatistics
from lwm2m_ml_simulator.modules.modules import LoadedModule
from lwm2m_ml_simulator.processor.machine import FloatArray

NO_DECISION = -1


@dataclass(frozen=True, slots=True)
class Result:
    """One decision: scores and confidence in percent. Numbers count from 1 within a series."""

    number: int
    series: int
    decided: int
    label: str | None
    confidence: float
    scores: tuple[float, ...]


@dataclass(slots=True)
class SlotFigures:
    """What object 42770 and 42771 show of the module in one slot since it was activated or reset.

    `series` is 0 before the first result; `outputs` are the real values of the last inference, by the module's order.
    """

    digest: bytes = b""
    latency: LatencyStatistics = field(default_factory=LatencyStatistics)
    results: ResultStatistics = field(default_factory=ResultStatistics)
    last: Result | None = None
    series: int = 0
    next_number: int = 1
    drift: DriftMonitor | None = None
    outputs: tuple[FloatArray, ...] = ()
    withheld: int = 0
    """How often the condition was false."""

    @classmethod
    def of(cls, module: LoadedModule | None) -> "SlotFigures":
        """Return the figures of a module that has not run yet."""
        reference = module.descriptor.drift if module is not None else None
        return cls(module.digest if module else b"", drift=DriftMonitor(reference) if reference else None)

    def reset(self) -> None:
        """Forget counts, latencies and what inputs looked like."""
        self.latency, self.results = LatencyStatistics(), ResultStatistics()
        self.reset_drift()

    def reset_drift(self) -> None:
        """Begin the histogram anew."""
        self.drift = self.drift.emptied() if self.drift is not None else None


def decide(scores: FloatArray, labels: tuple[str, ...], threshold: float, *, number: int, series: int) -> Result:
    """Make a decision of scores in percent: the best class, unless it stays below the threshold."""
    best = int(numpy.argmax(scores))
    decided = best if scores[best] >= threshold else NO_DECISION
    label = labels[best] if decided != NO_DECISION and best < len(labels) else None
    return Result(number, series, decided, label, float(scores[best]), tuple(float(score) for score in scores))
