"""Accuracy in the field, against published intervals and against simulation."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.service.monitoring.accuracy import FieldAccuracy


def test_without_feedback_nothing_is_known() -> None:
    assert FieldAccuracy(0, 0).share is None
    assert FieldAccuracy(0, 0).interval() == (0.0, 1.0)


def test_the_interval_of_a_published_example() -> None:
    # Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998), table I
    assert FieldAccuracy(81, 263).interval() == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert FieldAccuracy(0, 20).interval() == pytest.approx((0.0, 0.1611), abs=1e-4)


@given(st.integers(1, 10_000).flatmap(lambda judged: st.tuples(st.integers(0, judged), st.just(judged))))
def test_the_share_lies_within_its_interval(counts: tuple[int, int]) -> None:
    accuracy = FieldAccuracy(*counts)
    low, high = accuracy.interval()
    assert accuracy.share is not None
    assert 0.0 <= low <= accuracy.share + 1e-12
    assert accuracy.share - 1e-12 <= high <= 1.0


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    random = numpy.random.default_rng(11)
    held = 0
    for right in random.binomial(60, 0.9, 2_000):
        low, high = FieldAccuracy(int(right), 60).interval()
        held += low <= 0.9 <= high
    assert 0.92 < held / 2_000 < 0.98
