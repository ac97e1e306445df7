"""Segments of a TCP stream over a path: their window, their order, and what a loss costs."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.stream import DEVICE_WINDOW, HEADER_BYTES, SEGMENT_BYTES, StreamLink


def link(conditions: Conditions = Conditions(), seed: str = "1") -> StreamLink:  # noqa: B008 - frozen
    return StreamLink(lambda: conditions, seed)


def test_a_perfect_path_delays_nothing() -> None:
    segments = link().carry(10 * SEGMENT_BYTES + 1, 5.0)
    assert [one.delay for one in segments] == [0.0] * 11
    assert [one.size for one in segments] == [SEGMENT_BYTES] * 10 + [1]


def test_no_more_than_a_window_is_under_way() -> None:
    segments = link(Conditions(latency=0.5)).carry(12 * SEGMENT_BYTES, 0.0)
    rounds = [segments[start].delay for start in range(0, 12, DEVICE_WINDOW)]
    assert rounds == pytest.approx([0.5, 1.5, 2.5])


def test_bandwidth_makes_segments_queue_with_their_headers() -> None:
    bits = 8.0 * (SEGMENT_BYTES + HEADER_BYTES)
    segments = link(Conditions(bandwidth=bits)).carry(3 * SEGMENT_BYTES, 0.0)
    assert [one.delay for one in segments] == pytest.approx([1.0, 2.0, 3.0])


def test_the_handshake_takes_a_round_trip() -> None:
    stream = link(Conditions(latency=0.5))
    assert stream.open(10.0) == 1
    assert stream.carry(1, 10.0)[0].delay == pytest.approx(1.5)


def test_every_second_segment_is_acknowledged_and_the_last() -> None:
    assert [one.acknowledged for one in link().carry(5 * SEGMENT_BYTES, 0.0)] == [False, True, False, True, True]


def lost_once(seed: str, count: int) -> int | None:
    """Which of so many segments is the only one that is lost, once; None if it is otherwise."""
    sent = [one.sent for one in link(Conditions(latency=0.1, loss=0.1), seed).carry(count * SEGMENT_BYTES, 0.0)]
    return sent.index(2) if sorted(sent) == [1] * (count - 1) + [2] else None


def test_a_loss_that_three_segments_follow_costs_a_round_trip_and_one_at_the_end_a_time_out() -> None:
    found = {lost_once(str(seed), 8): str(seed) for seed in range(300)}
    for index, cost in ((0, 0.2), (1, 0.2), (7, 1.0)):
        segments = link(Conditions(latency=0.1, loss=0.1), found[index]).carry(8 * SEGMENT_BYTES, 0.0)
        unharmed = link(Conditions(latency=0.1)).carry(8 * SEGMENT_BYTES, 0.0)
        assert segments[index].delay - unharmed[index].delay == pytest.approx(cost)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 9000), min_size=1, max_size=20),
    st.floats(0.0, 0.9),
    st.floats(0.0, 2.0),
    st.integers(0, 1000),
)
def test_a_stream_stays_in_order_and_nothing_of_it_is_lost(
    sizes: list[int], loss: float, latency: float, seed: int
) -> None:
    stream = link(Conditions(loss=loss, latency=latency, jitter=latency / 4, bandwidth=9600.0), str(seed))
    arrivals = []
    for number, size in enumerate(sizes):
        segments = stream.carry(size, 0.1 * number)
        assert sum(one.size for one in segments) == size
        arrivals += [0.1 * number + one.delay for one in segments]
    assert all(earlier <= later + 1e-9 for earlier, later in pairwise(arrivals))


def test_a_path_that_loses_everything_ends_all_the_same() -> None:
    assert link(Conditions(loss=1.0)).carry(1, 0.0)[0].sent == 16


def test_a_seed_gives_the_same_fate() -> None:
    one, other = (link(Conditions(loss=0.3, latency=0.1), "9").carry(50_000, 0.0) for _ in range(2))
    assert one == other
