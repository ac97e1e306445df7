"""What the noise costs and gives: epsilon of the subsampled Gaussian mechanism over many rounds.

Rényi differential privacy of integer orders α ≥ 2 for Poisson sampling with rate q and noise multiplier σ, from
I. Mironov, K. Talwar, L. Zhang, Rényi Differential Privacy of the Sampled Gaussian Mechanism, 2019, §3.3:

    ε(α) = log( Σ_k C(α, k) (1 − q)^(α−k) q^k exp((k² − k) / 2σ²) ) / (α − 1)

Rounds add up. It becomes (ε, δ) by B. Balle et al., Hypothesis Testing Interpretations and Rényi Differential Privacy,
AISTATS 2020, theorem 21 (also C. Canonne, G. Kamath, T. Steinke 2020, proposition 12):

    ε = ε(α) + log((α − 1) / α) − (log δ + log α) / (α − 1), the least over α.

Of one round without sampling it is the Gaussian mechanism's α / 2σ². Neighbouring fleets differ by one whole device.
"""

import math

ORDERS = (*range(2, 65), 80, 96, 128, 192, 256, 512, 1024)


def epsilon(multiplier: float, rate: float, rounds: int, delta: float) -> float:
    """The ε for a δ after so many rounds, each of which asks every device with the probability `rate`.

    Infinite without noise, 0 before the first round. Raises ValueError for what is no rate or no δ.
    """
    if not 0 < rate <= 1 or not 0 < delta < 1 or rounds < 0 or multiplier < 0:
        raise ValueError(f"no accounting for rate {rate}, δ {delta}, {rounds} rounds, multiplier {multiplier}")
    if rounds == 0:
        return 0.0
    if multiplier == 0:
        return math.inf
    best = min(_converted(rounds * renyi(multiplier, rate, order), order, delta) for order in ORDERS)
    return max(0.0, best)


def renyi(multiplier: float, rate: float, order: int) -> float:
    """The Rényi divergence of an integer order of one round."""
    if rate == 1.0:
        return order / (2 * multiplier**2)
    terms = [
        _log_choose(order, k) + (order - k) * math.log1p(-rate) + k * math.log(rate) + (k * k - k) / (2 * multiplier**2)
        for k in range(order + 1)
    ]
    largest = max(terms)
    return (largest + math.log(math.fsum(math.exp(term - largest) for term in terms))) / (order - 1)


def _converted(divergence: float, order: int, delta: float) -> float:
    return divergence + math.log1p(-1 / order) - (math.log(delta) + math.log(order)) / (order - 1)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
