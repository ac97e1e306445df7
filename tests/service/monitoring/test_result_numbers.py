"""Numbers of results: what is missing, late or there twice, against a set that remembers everything."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.service.monitoring.result_numbers import WINDOW, Arrival, ResultNumbers


def judged(*numbers: int, highest: int | None = None) -> tuple[list[str], int]:
    series = ResultNumbers(highest)
    found = [series.judge(number) for number in numbers]
    return [str(one.arrival) for one in found], sum(one.lost for one in found)


def test_numbers_in_order_miss_nothing() -> None:
    assert judged(1, 2, 3) == (["next"] * 3, 0)


def test_a_gap_is_counted() -> None:
    assert judged(1, 2, 6) == (["next"] * 3, 3)


def test_what_comes_late_is_missing_no_more() -> None:
    assert judged(1, 4, 2) == (["next", "next", "late"], 1)


def test_what_comes_twice_is_told() -> None:
    assert judged(1, 2, 2, 1) == (["next", "next", "duplicate", "restarted"], 0)
    assert judged(5, 7, 6, 6) == (["next", "next", "late", "duplicate"], 0)


def test_a_device_that_was_switched_off_counts_from_one_again() -> None:
    assert judged(1, 2, 900, 1, 2) == (["next", "next", "next", "restarted", "next"], 897)
    assert judged(1, 2, 900, 3) == (["next", "next", "next", "restarted"], 897 + 2)


def test_who_joins_in_the_middle_has_missed_nothing() -> None:
    assert judged(500, 501) == (["next", "next"], 0)


def test_after_a_restart_of_the_server_only_the_highest_is_known() -> None:
    assert judged(11, 13, highest=10) == (["next", "next"], 1)
    assert judged(10, 12, highest=10) == (["duplicate", "next"], 1)


@given(st.permutations(range(2, 40)), st.sets(st.integers(2, 39)))
def test_reordered_within_the_window_only_what_never_came_is_missing(order: list[int], missing: set[int]) -> None:
    series = ResultNumbers()
    lost = series.judge(1).lost
    come = [number for number in order if number not in missing]
    for number in come:
        found = series.judge(number)
        assert found.arrival in {Arrival.NEXT, Arrival.LATE}
        lost += found.lost
        assert series.judge(number).arrival is Arrival.DUPLICATE
    assert len(order) < WINDOW
    assert lost == len([number for number in missing if number < max(come, default=0)])
