"""Distances between a histogram and the shares it should have, and how large chance alone may make them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Distance:
    """How far one distribution is from its reference, and how far chance would carry it once in 1/`alpha` times."""

    stability_index: float
    kolmogorov_smirnov: float
    stability_chance: float
    kolmogorov_smirnov_chance: float

    def beyond(self, stability_index: float, kolmogorov_smirnov: float) -> bool:
        """Whether one of the two distances is above its limit, and above what chance explains."""
        return self.stability_index > max(stability_index, self.stability_chance) or self.kolmogorov_smirnov > max(
            kolmogorov_smirnov, self.kolmogorov_smirnov_chance
        )


def distance(counts: Sequence[int], shares: Sequence[float], samples: float, alpha: float) -> Distance:
    """Compare counts per bin with reference shares per bin.

    `samples` is the number of independent observations behind the counts, which may be fewer than were counted: the
    values of one input depend on each other. `alpha` is the chance of a false alarm in one
    comparison. Raises `ValueError` when the bins do not match or nothing was counted.
    """
    total = sum(counts)
    if len(counts) != len(shares) or total <= 0 or samples <= 0:
        raise ValueError(f"{len(counts)} bins with {total} values of {samples:g} samples against {len(shares)} shares")
    now = [count / total for count in counts]
    return Distance(
        stability_index=stability_index(now, shares, floor=1.0 / samples),
        kolmogorov_smirnov=kolmogorov_smirnov(now, shares),
        stability_chance=stability_chance(len(counts), samples, alpha),
        kolmogorov_smirnov_chance=kolmogorov_smirnov_chance(samples, alpha),
    )


def stability_index(now: Sequence[float], then: Sequence[float], *, floor: float) -> float:
    """Population stability index: the sum of (p - q) ln(p / q) over all bins, 0 for equal distributions.

    Below 0.1 is commonly read as no change, above 0.25 as another population (Siddiqi, Credit Risk Scorecards, 2006).
    Smaller shares count as `floor`: with that of one observation, bins that are empty by chance weigh no more than
    `stability_chance` allows for, while a floor near zero makes them false alarms.
    """
    pairs = [(max(one, floor), max(other, floor)) for one, other in zip(now, then, strict=True)]
    return sum((one - other) * math.log(one / other) for one, other in pairs)


def kolmogorov_smirnov(now: Sequence[float], then: Sequence[float]) -> float:
    """Largest difference of the two cumulative distributions at a bin edge, 0 to 1.

    Between edges it may be larger, so this never exceeds the statistic of the unbinned values.
    """
    return max(abs(one - other) for one, other in zip(accumulate(now), accumulate(then), strict=True))


def stability_chance(bins: int, samples: float, alpha: float) -> float:
    """Stability index that undrifted samples exceed with probability `alpha`.

    The index is asymptotically chi-squared with bins - 1 degrees of freedom, divided by the number of samples, because
    both halves of the symmetric divergence are (Yurdakul and Naranjo, Statistical properties of the population
    stability index, 2020). The quantile is Wilson and Hilferty's (1931).
    """
    freedom = max(bins - 1, 1)
    spread = 2.0 / (9.0 * freedom)
    quantile = freedom * (1.0 - spread + NormalDist().inv_cdf(1.0 - alpha) * math.sqrt(spread)) ** 3
    return quantile / samples


def kolmogorov_smirnov_chance(samples: float, alpha: float) -> float:
    """Distance that undrifted samples exceed with probability at most `alpha` (Massart's inequality, 1990)."""
    return math.sqrt(-math.log(alpha / 2.0) / (2.0 * samples))
