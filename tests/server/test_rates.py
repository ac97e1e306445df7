"""Rates per peer."""

from lwm2m_ml.server.rates import MAXIMUM_PEERS, Rates


def test_a_burst_passes_and_then_the_rate() -> None:
    rates = Rates(2.0)
    assert [rates.take("a", 100.0) for _ in range(11)] == [True] * 10 + [False]
    assert [rates.take("a", 101.0) for _ in range(3)] == [True, True, False]


def test_peers_do_not_hurt_each_other() -> None:
    rates = Rates(1.0)
    assert not all(rates.take("flood", 0.0) for _ in range(6))
    assert rates.take("other", 0.0)


def test_a_rest_restores_the_burst_and_no_more() -> None:
    rates = Rates(1.0)
    for _ in range(6):
        rates.take("a", 0.0)
    assert sum(rates.take("a", 1_000.0) for _ in range(20)) == 5


def test_zero_is_no_limit() -> None:
    assert all(Rates(0.0).take("a", 0.0) for _ in range(100_000))


def test_memory_is_bounded_whoever_asks() -> None:
    rates = Rates(1.0)
    for number in range(MAXIMUM_PEERS + 100):
        rates.take(str(number), 0.0)
    assert len(rates) == MAXIMUM_PEERS
