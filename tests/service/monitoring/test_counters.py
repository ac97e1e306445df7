"""Counters of a device: read, subtracted, added up, and not believed when they are absurd."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.service.monitoring.counters import Counters, read_counters


def record(value: Value, *path: int) -> Record:
    return Record(ObjectPath(42771, 0, *path), value)


def test_records_of_an_instance_become_counters() -> None:
    found = read_counters(
        [record(4, 6, 0), record(3, 6, 7), record(2, 7), record(9, 15, 0), record(1, 15, 1), record("Nine", 2)]
    )
    assert found == Counters(results=9, class_counts={0: 4, 7: 3}, undecided=2, histogram=(9, 1))


def test_a_device_without_statistics_has_counted_nothing() -> None:
    assert read_counters([record(1, 1)]) == Counters()


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 1.5, "many", True, 1 << 64, b""])
def test_absurd_counts_are_not_believed(value: Value) -> None:
    assert read_counters([record(value, 6, 0)]) is None
    assert read_counters([record(value, 7)]) is None
    assert read_counters([record(value, 15, 0)]) is None


def test_a_histogram_with_a_hole_is_not_believed() -> None:
    assert read_counters([record(1, 15, 0), record(1, 15, 2)]) is None


counts = st.integers(0, 1 << 40)
counters = st.builds(
    lambda classes, undecided, bins: Counters(sum(classes.values()) + undecided, classes, undecided, tuple(bins)),
    st.dictionaries(st.integers(0, 20), st.integers(1, 1 << 40), max_size=6),
    counts,
    st.lists(counts, min_size=4, max_size=4),
)


@given(counters, counters)
def test_what_came_after_is_the_difference(earlier: Counters, later: Counters) -> None:
    assert earlier.plus(later).since(earlier) == Counters(
        later.results,
        {number: later.class_counts.get(number, 0) for number in earlier.class_counts.keys() | later.class_counts},
        later.undecided,
        later.histogram,
    )


@given(counters)
def test_a_device_that_began_anew_counts_from_nothing(now: Counters) -> None:
    before = now.plus(Counters(1, {0: 1}, 0, (1, 1, 1, 1)))
    assert now.since(before) == now
    assert now.since(None) == now


def test_another_number_of_bins_is_another_model() -> None:
    now = Counters(5, {0: 5}, 0, (1, 4, 0))
    assert now.since(Counters(3, {0: 3}, 0, (1, 2))) == now
