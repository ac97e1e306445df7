"""Numbers of results: what is missing, late or there twice, against a set that remembers everything."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.service.monitoring.result_numbers import WINDOW, Arrival, ResultNumbers, SlotNumbers


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


def judged_in_series(numbers: SlotNumbers, *told: tuple[int, int]) -> tuple[list[str], int]:
    found = [numbers.judge(series, number) for series, number in told]
    return [str(one.arrival) for one in found], sum(one.lost for one in found)


def test_one_after_exactly_one_result_is_new_when_the_device_tells_its_series() -> None:
    assert judged_in_series(SlotNumbers(), (7, 1), (7, 1), (8, 1), (8, 1)) == (["next", "duplicate"] * 2, 0)


def test_results_missing_at_the_beginning_of_a_series_are_counted() -> None:
    assert judged_in_series(SlotNumbers(), (7, 30), (8, 3), (8, 2)) == (["next", "next", "late"], 1)


def test_what_comes_of_a_series_that_ended_is_judged_by_it() -> None:
    assert judged_in_series(SlotNumbers(), (7, 1), (7, 3), (8, 1), (7, 2), (7, 3)) == (
        ["next", "next", "next", "late", "duplicate"],
        0,
    )


def test_a_number_that_falls_far_back_is_late_and_begins_nothing_anew() -> None:
    assert judged_in_series(SlotNumbers(), (7, 1), (7, 900), (7, 3), (7, 901)) == (
        ["next", "next", "late", "next"],
        898,
    )


def test_after_a_restart_of_the_server_the_series_is_still_known() -> None:
    assert judged_in_series(SlotNumbers(7, 1), (7, 1), (8, 1), (7, 2)) == (["duplicate", "next", "next"], 0)


def test_a_device_that_begins_to_tell_its_series_misses_nothing() -> None:
    assert judged_in_series(SlotNumbers(0, 50), (3, 1), (3, 2)) == (["next", "next"], 0)


@given(st.lists(st.integers(1, 1_000), max_size=40))
def test_only_a_few_series_are_remembered(series: list[int]) -> None:
    numbers = SlotNumbers()
    for one in series:
        numbers.judge(one, 1)
        assert numbers.judge(one, 1).arrival is Arrival.DUPLICATE
    assert numbers.remembered <= 4
