"""Gives every buffer its offset in the arena: as small as the budget allows, with the bound beside the result."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.memory.exact import MAX_BUFFERS, Search
from lwm2m_ml.compiler.memory.heuristics import best_heuristic
from lwm2m_ml.compiler.memory.placement import height
from lwm2m_ml.compiler.memory.problem import Buffer, InPlace, problem

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
    task = problem(buffers, in_place)
    offsets = best_heuristic(task)
    exact = height(task, offsets) <= task.lower_bound
    if not exact and len(task.buffers) <= MAX_BUFFERS:
        search = Search(task, offsets, node_budget=node_budget)
        search.run()
        offsets, exact = search.offsets, search.complete
    return MemoryPlan(
        offsets={buffer.name: offset for buffer, offset in zip(task.buffers, offsets, strict=True)},
        arena_bytes=height(task, offsets),
        lower_bound_bytes=task.lower_bound,
        exact=exact,
    )
