"""Epsilon against another accountant and a published figure, and what must hold of any accountant."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.learning.accountant import ORDERS, epsilon, renyi


@pytest.mark.parametrize(
    ("multiplier", "rate", "rounds", "delta", "expected"),
    [
        (1.1, 256 / 60000, 14062, 1e-5, 2.5969811785948815),
        (1.0, 0.01, 1000, 1e-5, 2.1077530754515745),
        (1.0, 0.2, 50, 1e-5, 11.697735605983134),
        (2.0, 0.2, 50, 1e-3, 2.752659267210613),
        (4.0, 1.0, 10, 1e-6, 4.011616054990902),
        (0.8, 0.05, 100, 1e-5, 6.777828090941303),
    ],
)
def test_epsilon_is_that_of_google_s_accountant(
    multiplier: float, rate: float, rounds: int, delta: float, expected: float
) -> None:
    """Computed with dp-accounting 0.6.0: RdpAccountant of the same orders, PoissonSampledDpEvent."""
    assert epsilon(multiplier, rate, rounds, delta) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("multiplier", "epochs", "published"), [(1.3, 15, 1.19), (1.1, 60, 3.01), (0.7, 45, 7.10)])
def test_the_divergence_gives_the_published_epsilons_of_mnist(multiplier: float, epochs: int, published: float) -> None:
    """The table in TensorFlow Privacy's tutorials: batches of 256 of 60,000, δ = 10⁻⁵.

    They were published with the older conversion ε(α) + log(1/δ) / (α − 1) (I. Mironov, CSF 2017, proposition 3), and
    with orders between the whole ones too.
    """
    rounds = epochs * 60000 // 256
    older = min(rounds * renyi(multiplier, 256 / 60000, order) + math.log(1e5) / (order - 1) for order in ORDERS)
    assert older == pytest.approx(published, rel=0.005)


@given(st.floats(0.5, 8), st.floats(0.01, 0.9), st.integers(1, 200))
def test_more_rounds_and_more_devices_cost_more_and_noise_costs_less(
    multiplier: float, rate: float, rounds: int
) -> None:
    base = epsilon(multiplier, rate, rounds, 1e-5)
    assert base <= epsilon(multiplier, rate, rounds + 1, 1e-5) + 1e-12
    assert base <= epsilon(multiplier, min(1.0, rate * 1.1), rounds, 1e-5) + 1e-9
    assert base >= epsilon(multiplier * 1.1, rate, rounds, 1e-5) - 1e-9


def test_without_noise_nothing_is_private_and_before_the_first_round_everything_is() -> None:
    assert epsilon(0.0, 0.1, 5, 1e-5) == math.inf
    assert epsilon(1.0, 0.1, 0, 1e-5) == 0.0


@pytest.mark.parametrize(("rate", "delta"), [(0.0, 1e-5), (1.1, 1e-5), (0.1, 0.0), (0.1, 1.0)])
def test_what_is_no_rate_or_delta_is_refused(rate: float, delta: float) -> None:
    with pytest.raises(ValueError, match="no accounting"):
        epsilon(1.0, rate, 5, delta)
