"""Joins layers so that a large tensor between them is never in memory, where that makes the arena smaller."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from lwm2m_ml.compiler.backends.native.arena import Arena, Step, plan_arena
from lwm2m_ml.compiler.backends.native.kernel import Kernel
from lwm2m_ml.compiler.backends.native.kernels.armv7em import pointwise_depthwise
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.reference.requantization import is_wide

FUSED_KERNELS: Sequence[Kernel] = (*pointwise_depthwise.KERNELS,)
# Each candidate costs one more memory plan.
_MAXIMUM_CANDIDATES = 8


def fuse_where_it_saves(graph: Graph, steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], Arena]:
    """The steps with pairs joined, the largest tensors in between first, and the smallest arena found."""
    arena = plan_arena(graph, steps)
    joined = [step for first, second in pairwise(steps) if (step := _joined(graph, first, second))]
    joined.sort(key=lambda step: -step.layer.operands[0].bytes)
    for step in joined[:_MAXIMUM_CANDIDATES]:
        fewer = _with(steps, step)
        if fewer is None:
            continue
        smaller = plan_arena(graph, fewer)
        if smaller.plan.arena_bytes < arena.plan.arena_bytes:
            steps, arena = fewer, smaller
    return steps, arena


def _joined(graph: Graph, first: Step, second: Step) -> Step | None:
    """One step for two, when only the second reads what the first writes and a kernel computes both."""
    between = first.layer.result.name
    if second.layer.operands[0].name != between or between in graph.outputs:
        return None
    if is_wide(first.layer.operands[0], first.layer.result, second.layer.result):
        return None
    if len(graph.consumers()[between]) != 1:
        return None
    layer: Layer = replace(second.layer, feeder=first.layer)
    kernel = next((kernel for kernel in FUSED_KERNELS if kernel.accepts(layer)), None)
    return Step(layer, kernel) if kernel is not None else None


def _with(steps: tuple[Step, ...], joined: Step) -> tuple[Step, ...] | None:
    """The steps with two of them joined; None when one of the two has been joined already."""
    assert joined.layer.feeder is not None  # noqa: S101 - see _joined
    names = (joined.layer.feeder.result.name, joined.layer.result.name)
    places = [index for index, step in enumerate(steps) if step.layer.result.name in names]
    if len(places) != 2 or any(steps[place].layer.feeder is not None for place in places):
        return None
    return (*steps[: places[0]], joined, *steps[places[1] + 1 :])
