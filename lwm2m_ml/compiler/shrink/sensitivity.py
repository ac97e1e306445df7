"""How much accuracy each group of channels costs when it is pruned, and how to spend channels by it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.shrink.channels import ChannelGroup, Channels
from lwm2m_ml.compiler.shrink.pruning import Mask, most_important, without_channels

# Shares of a group's channels that are tried, from many to few.
SHARES = (0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125)
# A channel that costs nothing must still count as something, or the first group would lose all of them.
_LEAST_LOSS = 0.02


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Accuracy in per cent with a group at each of the shares, all others whole."""

    group: str
    accuracies: tuple[float, ...]


def measure_sensitivity(
    graph: Graph, channels: Channels, group: ChannelGroup, accuracy: Callable[[Graph], float]
) -> Sensitivity:
    """Prune one group to every share and measure."""
    masks = (most_important(graph, group, _count(group, share)) for share in SHARES)
    pruned = (without_channels(graph, channels, {group.name: mask}) for mask in masks)
    return Sensitivity(group.name, tuple(map(accuracy, pruned)))


def uniform(graph: Graph, channels: Channels, weights: float) -> Mapping[str, Mask]:
    """Every group with the same share of channels, so that about this share of the model's weights stays."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _weights(graph, channels, _at(channels, middle)) < weights else (low, middle)
    return _masks(graph, channels, _at(channels, high))


def by_sensitivity(
    graph: Graph, channels: Channels, weights: float, found: Sequence[Sensitivity], whole: float
) -> Mapping[str, Mask]:
    """Groups pruned one step after the other, each time the one that loses least accuracy for the weights it frees."""
    steps = dict.fromkeys(channels.groups, -1)
    known = {each.group: each.accuracies for each in found}
    counts = {name: group.channels for name, group in channels.groups.items()}
    left = 1.0
    while left > weights:
        options = []
        for name, step in steps.items():
            if step + 1 >= len(SHARES):
                continue
            fewer = {**counts, name: _count(channels.groups[name], SHARES[step + 1])}
            freed = left - _weights(graph, channels, fewer)
            before = whole if step < 0 else known[name][step]
            loss = max(before - known[name][step + 1], _LEAST_LOSS)
            if freed > 0:
                options.append((loss / freed, name, fewer))
            else:
                steps[name] = step + 1
        if not options:
            break
        _, name, counts = min(options, key=lambda option: option[:2])
        steps[name] += 1
        left = _weights(graph, channels, counts)
    return _masks(graph, channels, counts)


def weight_count(graph: Graph) -> int:
    """Elements of all constants."""
    used = {name for operation in graph.operations for name in operation.inputs}
    return sum(graph.tensor(name).elements for name in used if graph.tensor(name).is_constant)


def _count(group: ChannelGroup, share: float) -> int:
    return max(1, math.ceil(group.channels * share))


def _at(channels: Channels, share: float) -> dict[str, int]:
    return {name: _count(group, share) for name, group in channels.groups.items()}


def _masks(graph: Graph, channels: Channels, counts: Mapping[str, int]) -> Mapping[str, Mask]:
    return {name: most_important(graph, channels.groups[name], count) for name, count in counts.items()}


def _weights(graph: Graph, channels: Channels, counts: Mapping[str, int]) -> float:
    """The share of the model's weights that stays with so many channels."""
    pruned = without_channels(graph, channels, _masks(graph, channels, counts))
    return weight_count(pruned) / weight_count(graph)
