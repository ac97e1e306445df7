"""The Pareto front: the variants of which none is better in one thing without being worse in another."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def pareto_front(items: Sequence[Item], cost: Callable[[Item], tuple[float, ...]]) -> list[Item]:
    """The items that no other equals in all costs and beats in one; those first that are cheapest in the first cost."""
    costs = [cost(item) for item in items]
    front = [item for item, own in zip(items, costs, strict=True) if not any(_dominates(other, own) for other in costs)]
    return sorted(front, key=cost)


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine <= yours for mine, yours in zip(one, other, strict=True))
