"""Distances of histograms, against figures worked out by hand and against chance itself."""

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.service.monitoring.distance import (
    distance,
    kolmogorov_smirnov,
    kolmogorov_smirnov_chance,
    stability_chance,
    stability_index,
)

shares = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=12).map(
    lambda weights: [weight / sum(weights) for weight in weights]
)


def test_the_stability_index_of_a_worked_example() -> None:
    expected = (0.6 - 0.5) * math.log(0.6 / 0.5) + (0.4 - 0.5) * math.log(0.4 / 0.5)
    assert stability_index([0.6, 0.4], [0.5, 0.5], floor=0.01) == pytest.approx(expected)


def test_an_empty_bin_gives_a_large_finite_index() -> None:
    assert 0.25 < stability_index([1.0, 0.0], [0.5, 0.5], floor=0.01) < 10.0


def test_the_largest_cumulative_difference() -> None:
    assert kolmogorov_smirnov([0.2, 0.2, 0.6], [0.4, 0.3, 0.3]) == pytest.approx(0.3)


@given(shares)
def test_equal_distributions_are_at_no_distance(then: list[float]) -> None:
    assert stability_index(then, then, floor=0.01) == 0.0
    assert kolmogorov_smirnov(then, then) == 0.0


@given(shares)
def test_distances_are_symmetric_and_bounded(then: list[float]) -> None:
    now = list(reversed(then))
    assert stability_index(now, then, floor=0.01) == pytest.approx(stability_index(then, now, floor=0.01))
    assert 0.0 <= kolmogorov_smirnov(now, then) <= 1.0


@pytest.mark.parametrize(
    ("freedom", "alpha", "quantile"),
    [(9, 0.05, 16.919), (9, 0.01, 21.666), (4, 0.001, 18.467), (1, 0.05, 3.841)],
)
def test_chance_follows_the_tables_of_chi_squared(freedom: int, alpha: float, quantile: float) -> None:
    assert stability_chance(freedom + 1, 100, alpha) * 100 == pytest.approx(quantile, rel=0.03)


def test_chance_follows_the_tables_of_kolmogorov_and_smirnov() -> None:
    assert kolmogorov_smirnov_chance(100, 0.05) == pytest.approx(0.1358, abs=1e-4)


def test_undrifted_samples_exceed_chance_no_more_often_than_asked_for() -> None:
    random = numpy.random.default_rng(7)
    then = [0.1] * 10
    trials = 4_000
    alarms = sum(distance(list(random.multinomial(200, then)), then, 200, 0.01).beyond(0.0, 0.0) for _ in range(trials))
    assert alarms / trials < 0.025, "two tests at 1 % each"


def test_what_was_moved_is_significant() -> None:
    found = distance([10, 20, 70], [0.4, 0.3, 0.3], 100, 0.001)
    assert found.beyond(0.25, 1.0)
    assert not found.beyond(10.0, 1.0)
    assert found.stability_index > 0.25


@pytest.mark.parametrize(("counts", "samples"), [([1, 2], 3), ([0, 0, 0], 3), ([1, 1, 1], 0)])
def test_what_cannot_be_compared_is_refused(counts: list[int], samples: int) -> None:
    with pytest.raises(ValueError, match="against 3 shares"):
        distance(counts, [0.2, 0.3, 0.5], samples, 0.01)
