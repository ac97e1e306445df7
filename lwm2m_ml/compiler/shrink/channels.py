"""Which channels of a float graph belong together: removing one of a group removes it everywhere.

Channels are the last axis. Layers with weights begin groups; what works channel by channel carries them on; additions
tie two of them; flattening repeats a group's channels for every pixel. A group that reaches the model's border, or an
operation that mixes or orders channels, is fixed.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.ir import Graph, Operation, kinds

_PRODUCERS = (kinds.Convolution, kinds.FullyConnected, kinds.TransposeConvolution)
_CHANNELWISE = (
    kinds.Unary,
    kinds.MaxPool,
    kinds.AveragePool,
    kinds.ResizeNearest,
    kinds.ResizeBilinear,
)


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """So many channels, the layers that write them and the operations that read them in weights."""

    name: str
    channels: int
    writers: tuple[Operation, ...]
    readers: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Channels:
    """Every computed tensor's group and how often the group's channels are repeated along its last axis."""

    groups: Mapping[str, ChannelGroup]
    places: Mapping[str, tuple[str, int]]

    def group_of(self, tensor: str) -> ChannelGroup | None:
        """The group that can be pruned and holds the channels of a tensor."""
        place = self.places.get(tensor)
        return None if place is None else self.groups.get(place[0])


def find_channels(graph: Graph) -> Channels:
    """The groups of a graph."""
    finder = _Finder(graph)
    for operation in graph.operations:
        finder.visit(operation)
    return finder.result()


class _Finder:
    """Union of tensors whose channels are the same; a tensor may repeat them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._parents: dict[str, str] = {}
        self._repeats: dict[str, int] = {}
        self._fixed: set[str] = set()
        for name in (*graph.inputs, *(operation.output for operation in graph.operations)):
            self._parents[name], self._repeats[name] = name, 1
        self._fixed |= {*graph.inputs, *graph.outputs}

    def _find(self, name: str) -> str:
        while self._parents[name] != name:
            self._parents[name] = self._parents[self._parents[name]]
            name = self._parents[name]
        return name

    def _channels(self, name: str) -> int:
        return self._graph.tensor(name).shape[-1] // self._repeats[name]

    def visit(self, operation: Operation) -> None:
        """Tie or fix what an operation ties or mixes."""
        rule = _RULES.get(type(operation.kind))
        if rule is None or not rule(self, operation):
            self._fixed |= {name for name in (*operation.inputs, operation.output) if name in self._parents}

    def layer(self, operation: Operation) -> bool:
        """Reads one group and begins another."""
        kind = operation.kind
        constants = self._graph.operands(operation)[1:]
        grouped = isinstance(kind, kinds.Convolution) and kind.groups != 1
        return not grouped and all(constant.is_constant for constant in constants)

    def depthwise(self, operation: Operation) -> bool:
        """Carries a group on, with weights of its own for each channel."""
        image, weights, bias = self._graph.operands(operation)
        if not (weights.is_constant and bias.is_constant) or weights.shape[2] != image.shape[-1]:
            return False
        return self._tie(operation.inputs[0], operation.output)

    def channelwise(self, operation: Operation) -> bool:
        """Carries a group on."""
        return self._tie(operation.inputs[0], operation.output)

    def mean(self, operation: Operation) -> bool:
        """Carries a group on unless the mean is over channels."""
        kind = operation.kind
        last = len(self._graph.tensor(operation.inputs[0]).shape) - 1
        return isinstance(kind, kinds.Mean) and last not in kind.axes and self.channelwise(operation)

    def binary(self, operation: Operation) -> bool:
        """Ties two operands of the same channels; a constant has one value, or one for each channel."""
        tied = True
        for name, operand in zip(operation.inputs, self._graph.operands(operation), strict=True):
            if operand.is_constant:
                tied &= (
                    operand.elements in (1, self._channels(operation.output)) and self._repeats[operation.output] == 1
                )
            else:
                tied &= self._tie(name, operation.output)
        return tied

    def reshape(self, operation: Operation) -> bool:
        """Keeps the channels last, or flattens pixels and channels into one axis."""
        before = self._graph.tensor(operation.inputs[0]).shape
        after = self._graph.result(operation).shape
        if before[-1] == after[-1]:
            return self._tie(operation.inputs[0], operation.output)
        if after[-1] % before[-1] or math.prod(after[:-1]) != before[0]:
            return False
        self._repeats[operation.output] = after[-1] // before[-1] * self._repeats[operation.inputs[0]]
        return self._join(operation.inputs[0], operation.output)

    def _tie(self, one: str, other: str) -> bool:
        if self._graph.tensor(one).shape[-1] != self._graph.tensor(other).shape[-1]:
            return False
        alone = self._find(other) == other
        if alone and self._repeats[other] == 1:
            self._repeats[other] = self._repeats[one]
        return self._repeats[one] == self._repeats[other] and self._join(one, other)

    def _join(self, one: str, other: str) -> bool:
        self._parents[self._find(other)] = self._find(one)
        return True

    def result(self) -> Channels:
        """The groups that are not fixed, and where each tensor's channels belong."""
        places = {name: (self._find(name), self._repeats[name]) for name in self._parents}
        fixed = {self._find(name) for name in self._fixed}
        groups = {}
        for root in dict.fromkeys(place[0] for place in places.values()):
            if root not in fixed:
                groups[root] = self._group(root, places)
        return Channels({name: group for name, group in groups.items() if group is not None}, places)

    def _group(self, root: str, places: Mapping[str, tuple[str, int]]) -> ChannelGroup | None:
        producers = [operation for operation in self._graph.operations if isinstance(operation.kind, _PRODUCERS)]
        writers = tuple(each for each in producers if places[each.output][0] == root)
        readers = tuple(each for each in producers if places.get(each.inputs[0], ("", 0))[0] == root)
        channels = self._channels(root)
        return ChannelGroup(root, channels, writers, readers) if writers and readers and channels > 1 else None


_RULES: Mapping[type, Callable[[_Finder, Operation], bool]] = {
    **dict.fromkeys(_PRODUCERS, _Finder.layer),
    **dict.fromkeys(_CHANNELWISE, _Finder.channelwise),
    kinds.DepthwiseConvolution: _Finder.depthwise,
    kinds.Mean: _Finder.mean,
    kinds.Binary: _Finder.binary,
    kinds.Reshape: _Finder.reshape,
}
