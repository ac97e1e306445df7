"""Quick plans: place the buffers one by one in some order, each at the lowest offset where it fits."""

from collections.abc import Callable, Sequence

from lwm2m_ml.compiler.memory.placement import height, lowest_fit
from lwm2m_ml.compiler.memory.problem import Buffer, Problem

# The largest first; the longest-lived first; the most bytes × steps first; in the order of use.
_ORDERS: tuple[Callable[[Buffer], tuple[int, ...]], ...] = (
    lambda b: (-b.size, b.first_use),
    lambda b: (b.first_use - b.last_use, -b.size),
    lambda b: (-b.size * (b.last_use - b.first_use + 1), b.first_use),
    lambda b: (b.first_use, -b.size),
    lambda b: (-b.last_use, -b.size),
)


def best_heuristic(problem: Problem) -> list[int]:
    """The offsets of the smallest plan that any of the orders gives."""
    plans = [place_in_order(problem, order) for order in _orders(problem)]
    return min(plans, key=lambda offsets: height(problem, offsets))


def place_in_order(problem: Problem, order: Sequence[int]) -> list[int]:
    """Place the buffers in the given order."""
    placed: dict[int, int] = {}
    for number in order:
        placed[number] = lowest_fit(problem, number, placed)
    return [placed[number] for number in range(len(problem.buffers))]


def _orders(problem: Problem) -> list[list[int]]:
    numbers = range(len(problem.buffers))
    orders = [sorted(numbers, key=lambda n, key=key: (*key(problem.buffers[n]), n)) for key in _ORDERS]  # type: ignore[misc]
    # The steps that need most memory first, and there the largest buffers: tight where it matters.
    demand = problem.demand
    worst = [
        max(amount for step, amount in demand.items() if buffer.first_use <= step <= buffer.last_use)
        for buffer in problem.buffers
    ]
    orders.append(sorted(numbers, key=lambda n: (-worst[n], -problem.buffers[n].size, n)))
    return orders
