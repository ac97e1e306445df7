"""What a device counts of one model since its last Reset (ML Inference Result, 42771), and what came in between."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.service.resources import ResultResource

MAXIMUM_COUNT = 1 << 63
MAXIMUM_ENTRIES = 4_096
"""Classes, or bins of all channels together; a device that tells more is not believed."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Counts of decisions by class, of no decisions, and of input values by bin (all channels one after another)."""

    results: int = 0
    class_counts: Mapping[int, int] = field(default_factory=dict)
    undecided: int = 0
    histogram: tuple[int, ...] = ()

    def since(self, earlier: "Counters | None") -> "Counters":
        """Return what was counted after `earlier`; all of it where the device began anew in between."""
        if earlier is None or self._began_anew(earlier):
            return self
        before = earlier.class_counts
        return Counters(
            results=self.results - earlier.results,
            class_counts={number: count - before.get(number, 0) for number, count in self.class_counts.items()},
            undecided=self.undecided - earlier.undecided,
            histogram=tuple(now - then for now, then in zip(self.histogram, earlier.histogram, strict=True)),
        )

    def plus(self, other: "Counters") -> "Counters":
        """Return both together; the histograms must have the same bins, an empty one goes with every other."""
        classes = self.class_counts.keys() | other.class_counts.keys()
        return Counters(
            results=self.results + other.results,
            class_counts={
                number: self.class_counts.get(number, 0) + other.class_counts.get(number, 0) for number in classes
            },
            undecided=self.undecided + other.undecided,
            histogram=_sums(self.histogram, other.histogram),
        )

    def _began_anew(self, earlier: "Counters") -> bool:
        return (
            self.results < earlier.results
            or self.undecided < earlier.undecided
            or len(self.histogram) != len(earlier.histogram)
            or any(now < then for now, then in zip(self.histogram, earlier.histogram, strict=True))
            or any(self.class_counts.get(number, 0) < count for number, count in earlier.class_counts.items())
        )


def read_counters(records: Sequence[Record]) -> Counters | None:
    """Make counters of the records of one instance; None when they are absurd, so that nothing is judged by them."""
    multiple: dict[int, dict[int, Value | None]] = {ResultResource.CLASS_COUNTS: {}, ResultResource.INPUT_HISTOGRAM: {}}
    single: dict[int, Value | None] = {}
    for record in records:
        resource, instance = record.path.resource_id, record.path.resource_instance_id
        if resource in multiple and instance is not None:
            multiple[resource][instance] = record.value
        elif resource is not None and instance is None:
            single[resource] = record.value
    class_counts = _counts(multiple[ResultResource.CLASS_COUNTS])
    bins = _counts(multiple[ResultResource.INPUT_HISTOGRAM])
    undecided = _count(single.get(ResultResource.NO_DECISION_COUNT, 0))
    if class_counts is None or bins is None or undecided is None or sorted(bins) != list(range(len(bins))):
        return None
    return Counters(
        results=sum(class_counts.values()) + undecided,
        class_counts=class_counts,
        undecided=undecided,
        histogram=tuple(bins[index] for index in range(len(bins))),
    )


def _counts(values: Mapping[int, Value | None]) -> dict[int, int] | None:
    counts = {index: count for index, value in values.items() if (count := _count(value)) is not None}
    return counts if len(counts) == len(values) <= MAXIMUM_ENTRIES else None


def _count(value: Value | None) -> int | None:
    """Return a number of things; None when the value cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if 0 <= value < MAXIMUM_COUNT and value == int(value) else None


def _sums(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    if not one or not other:
        return one or other
    return tuple(first + second for first, second in zip(one, other, strict=True))
