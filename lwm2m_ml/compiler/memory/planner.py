"""Gives every buffer its offset in the arena: as small as the budget allows, with the bound beside the result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lwm2m_ml.compiler.memory.exact import MAX_BUFFERS, Search
from lwm2m_ml.compiler.memory.heuristics import best_heuristic
from lwm2m_ml.compiler.memory.placement import height
from lwm2m_ml.compiler.memory.problem import Buffer, InPlace, Problem, problem

DEFAULT_NODE_BUDGET = 20_000


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where every buffer lies. `exact` tells that no plan is smaller; no plan is below `lower_bound_bytes`."""

    offsets: Mapping[str, int]
    arena_bytes: int
    lower_bound_bytes: int
    exact: bool


def plan(
    buffers: Iterable[Buffer], *, in_place: Iterable[InPlace] = (), node_budget: int = DEFAULT_NODE_BUDGET
) -> MemoryPlan:
    """Plan an arena. The same arguments give the same plan: the budget counts nodes, never time.

    Raises `InvalidMemoryProblem` when the buffers or pairs contradict themselves.
    """
    given, pairs = tuple(buffers), tuple(in_place)
    # Equals are placed in the order given. Neither that order nor its reverse is always the better one.
    orders = [problem(given, pairs), problem(given[::-1], pairs)]
    plans = [_named(task, best_heuristic(task)) for task in orders]
    best, exact = min(plans, key=lambda offsets: _height(orders[0], offsets)), False
    start = best
    for task in orders:
        exact = exact or _height(task, best) <= task.lower_bound
        if exact or len(given) > MAX_BUFFERS:
            break
        search = Search(task, [start[buffer.name] for buffer in task.buffers], node_budget=node_budget // len(orders))
        search.run()
        best = min(best, _named(task, search.offsets), key=lambda offsets: _height(orders[0], offsets))
        exact = search.complete
    return MemoryPlan(
        offsets={buffer.name: best[buffer.name] for buffer in given},
        arena_bytes=_height(orders[0], best),
        lower_bound_bytes=orders[0].lower_bound,
        exact=exact,
    )


def _named(task: Problem, offsets: Sequence[int]) -> dict[str, int]:
    return {buffer.name: offset for buffer, offset in zip(task.buffers, offsets, strict=True)}


def _height(task: Problem, offsets: Mapping[str, int]) -> int:
    return height(task, [offsets[buffer.name] for buffer in task.buffers])
