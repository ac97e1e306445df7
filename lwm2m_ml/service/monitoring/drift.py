"""Judges whether a model's inputs and answers have drifted from what it was made for, feature by feature."""

from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml.service.monitoring.baseline import DriftBaseline
from lwm2m_ml.service.monitoring.counters import Counters
from lwm2m_ml.service.monitoring.distance import Distance, distance

CLASS_MIX = "class mix"


@dataclass(frozen=True, slots=True)
class DriftLimits:
    """When a feature has drifted: by more than these distances, and by more than chance explains.

    `false_alarms` is the chance of one in a single comparison of all features of a model together. Below `samples`
    inputs nothing is judged.
    """

    stability_index: float = 0.1
    kolmogorov_smirnov: float = 0.1
    false_alarms: float = 1e-4
    samples: int = 30


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """How far one feature is from its reference: an input channel, or the mix of classes.

    `expected` and `seen` are the shares of its bins or classes, in the reference and in what was judged.
    """

    feature: str
    distance: Distance
    drifted: bool
    expected: tuple[float, ...] = ()
    seen: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """All features of a model over one window, the one that moved most first."""

    samples: int
    features: tuple[FeatureDrift, ...]

    @property
    def drifted(self) -> tuple[FeatureDrift, ...]:
        """The features that have drifted, the one that moved most first."""
        return tuple(feature for feature in self.features if feature.drifted)


def judge(
    window: Counters, baseline: DriftBaseline, limits: DriftLimits, names: Sequence[str] = ()
) -> Judgement | None:
    """Judge a window of counts; None when there is too little in it, or nothing that the baseline can be held to.

    `names` are those of the input channels, where the model has any. What a device counts in other bins than the
    reference has is not judged.
    """
    if window.results < limits.samples:
        return None
    compared = [*_channels(window, baseline, names), *_class_mix(window, baseline)]
    if not compared:
        return None
    alpha = limits.false_alarms / (2 * len(compared))
    features = [
        FeatureDrift(
            name,
            found,
            drifted=found.beyond(limits.stability_index, limits.kolmogorov_smirnov),
            expected=tuple(shares),
            seen=tuple(count / sum(counts) for count in counts),
        )
        for name, counts, shares, samples in compared
        for found in (distance(counts, shares, samples, alpha),)
    ]
    features.sort(key=lambda feature: (feature.drifted, feature.distance.stability_index), reverse=True)
    return Judgement(window.results, tuple(features))


Comparison = tuple[str, tuple[int, ...], tuple[float, ...], float]
"""Name, counts, reference shares and independent samples of one feature."""


def _channels(window: Counters, baseline: DriftBaseline, names: Sequence[str]) -> list[Comparison]:
    reference = baseline.reference
    if len(window.histogram) != sum(map(len, reference.shares)):
        return []
    found: list[Comparison] = []
    begin = 0
    for number, shares in enumerate(reference.shares):
        counts = window.histogram[begin : begin + len(shares)]
        begin += len(shares)
        if any(counts):
            name = channel_name(number, len(reference.shares), names)
            found.append((name, counts, shares, baseline.samples(window.results, number)))
    return found


def _class_mix(window: Counters, baseline: DriftBaseline) -> list[Comparison]:
    shares = baseline.reference.class_shares
    counts = tuple(window.class_counts.get(number, 0) for number in range(len(shares)))
    return [(CLASS_MIX, counts, shares, baseline.samples(sum(counts)))] if len(shares) > 1 and any(counts) else []


def channel_name(number: int, channels: int, names: Sequence[str]) -> str:
    """Name an input channel: as the model does, else by its number, else as the only one."""
    if number < len(names):
        return names[number]
    return "input" if channels == 1 else f"input channel {number}"
