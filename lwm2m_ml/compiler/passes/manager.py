"""Runs passes in order, with the graph verified before and after every one."""

from collections.abc import Sequence
from typing import Protocol

from lwm2m_ml.compiler.ir import Graph, verify


class Pass(Protocol):
    """A change of the graph that keeps what it computes."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def apply(self, graph: Graph) -> Graph:
        """The changed graph; the same object when there was nothing to change."""


def run_passes(graph: Graph, passes: Sequence[Pass]) -> Graph:
    """The graph after all passes."""
    verify(graph, after="the step before the passes")
    for step in passes:
        changed = step.apply(graph)
        if changed is not graph:
            verify(changed, after=step.name)
            graph = changed
    return graph


def run_until_stable(graph: Graph, passes: Sequence[Pass], *, rounds: int = 20) -> Graph:
    """Run the passes again and again until none changes anything."""
    for _ in range(rounds):
        changed = run_passes(graph, passes)
        if changed is graph:
            break
        graph = changed
    return graph
