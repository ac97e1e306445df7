import random

import pytest

from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.link import Link


def test_a_perfect_path_delays_nothing() -> None:
    assert Link(Conditions(nat_timeout=3), "1").arrivals(10_000, 5.0) == (0.0,)


def test_bandwidth_makes_datagrams_queue() -> None:
    link = Link(Conditions(bandwidth=8000, latency=0.5), "1")
    assert [link.arrivals(100, 0.0)[0] for _ in range(3)] == pytest.approx([0.6, 0.7, 0.8])
    assert link.arrivals(100, 10.0)[0] == pytest.approx(0.6)


def test_a_datagram_larger_than_the_mtu_vanishes() -> None:
    link = Link(Conditions(mtu=100), "1")
    assert (link.arrivals(100, 0.0), link.arrivals(101, 0.0)) == ((0.0,), ())
    assert link.figures.too_large == 1


def test_shares_are_kept_and_counted() -> None:
    link = Link(Conditions(loss=0.1, duplication=0.2, reordering=0.3), "1")
    numbers = [len(link.arrivals(1, 0.0)) for _ in range(5000)]
    assert numbers.count(0) == link.figures.lost == pytest.approx(500, abs=80)
    assert numbers.count(2) == link.figures.duplicated == pytest.approx(900, abs=110)
    assert link.figures.reordered == pytest.approx(0.3 * sum(numbers), abs=150)


def test_a_reordered_datagram_is_overtaken() -> None:
    link = Link(Conditions(reordering=0.5, reorder_delay=1.0, latency=0.1), "1")
    arrivals = [number * 0.01 + link.arrivals(1, 0.0)[0] for number in range(50)]
    assert arrivals != sorted(arrivals)


def test_jitter_never_lets_a_datagram_arrive_before_it_was_sent() -> None:
    link = Link(Conditions(latency=0.01, jitter=0.05), "1")
    delays = [link.arrivals(1, 0.0)[0] for _ in range(500)]
    assert min(delays) == 0.0
    assert len(set(delays)) > 100


def test_the_same_seed_decides_alike_and_another_one_differently() -> None:
    conditions = Conditions(loss=0.3, jitter=0.1)

    def course(seed: str) -> list[tuple[float, ...]]:
        link = Link(conditions, seed)
        return [link.arrivals(1, 0.0) for _ in range(100)]

    random.seed(1)
    first = course("up 7")
    random.seed(2)
    assert first == course("up 7") != course("down 7")
