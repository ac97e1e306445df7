"""Reads the trees of ONNX ML: each comparison becomes "at most", children follow parents, equal leaves are one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.errors import CyclicModel, UnreadableModel
from lwm2m_ml.compiler.frontends.onnx_importer import Node
from lwm2m_ml.compiler.ir import Array
from lwm2m_ml.compiler.ir.limits import MAXIMUM_ELEMENTS

# How a comparison becomes "at most": (with the float before the threshold, with the children exchanged).
_MODES: Mapping[str, tuple[bool, bool]] = {
    "BRANCH_LEQ": (False, False),
    "BRANCH_LT": (True, False),
    "BRANCH_GT": (False, True),
    "BRANCH_GTE": (True, True),
}
_LEAF = "LEAF"
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trees:
    """The constants of a TreeEnsemble: what its docstring says of them."""

    nodes: Array
    thresholds: Array
    roots: Array
    leaves: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class _File:
    """The columns of the operator's table of nodes."""

    places: tuple[_Place, ...]
    modes: tuple[str, ...]
    features: tuple[int, ...]
    thresholds: tuple[float, ...]
    true: tuple[int, ...]
    false: tuple[int, ...]


def read_trees(node: Node, leaves: Mapping[_Place, Array], bias: Array) -> Trees:
    """The trees of an operator; `leaves` are the values at places (tree, node), of as many outputs as the bias.

    Ways of their own for missing values are not kept: an undefined number is never at most a threshold.
    """
    file = _columns(node)
    if len(set(file.places)) != len(file.places) or len(file.places) * len(bias) > MAXIMUM_ELEMENTS:
        raise UnreadableModel(f"The trees at {node.place} repeat a node, or are more than a device could hold")
    reader = _Reader(node, file, leaves, len(bias))
    roots = [reader.tree(place) for place in _roots(node, file)]
    return Trees(
        numpy.array(reader.nodes or [[0, -1, -1]], numpy.int32),
        numpy.array(reader.thresholds or [0], numpy.float32),
        numpy.array(roots, numpy.int32),
        numpy.frombuffer(b"".join(reader.leaves), numpy.float32).reshape(-1, len(bias)).copy(),
        bias.astype(numpy.float32),
    )


def _columns(node: Node) -> _File:
    file = _File(
        tuple(zip(node.integers("nodes_treeids"), node.integers("nodes_nodeids"), strict=True)),
        node.texts("nodes_modes"),
        node.integers("nodes_featureids"),
        node.reals("nodes_values"),
        node.integers("nodes_truenodeids"),
        node.integers("nodes_falsenodeids"),
    )
    columns = (file.modes, file.features, file.thresholds, file.true, file.false)
    if any(len(column) != len(file.places) for column in columns):
        raise UnreadableModel(f"The columns of the trees at {node.place} are not equally long")
    return file


def _roots(node: Node, file: _File) -> list[_Place]:
    """The node of each tree that no other leads to."""
    branches = [row for row, mode in enumerate(file.modes) if mode != _LEAF]
    led_to = {(file.places[row][0], child) for row in branches for child in (file.true[row], file.false[row])}
    roots = [place for place in file.places if place not in led_to]
    if len(roots) != len({tree for tree, _ in file.places}):
        raise CyclicModel(f"The trees at {node.place} do not have one root each")
    return roots


class _Reader:
    """Walks trees from their roots and collects the tables."""

    def __init__(self, node: Node, file: _File, values: Mapping[_Place, Array], outputs: int) -> None:
        self.nodes: list[list[int]] = []
        self.thresholds: list[float] = []
        self.leaves: dict[bytes, int] = {}
        self._node, self._file, self._values, self._outputs = node, file, values, outputs
        self._rows = {place: row for row, place in enumerate(file.places)}
        self._sizes = Counter(tree for tree, _ in file.places)

    def tree(self, root: _Place) -> int:
        """The reference to a tree; its nodes are added parents first, each once."""
        reference, waiting = self._add(root)
        left = self._sizes[root[0]] - 1
        while waiting:
            place, parent, side = waiting.pop()
            self.nodes[parent][side], more = self._add(place)
            waiting += more
            left -= 1
            if left < 0:
                break
        if left:
            raise CyclicModel(f"A tree at {self._node.place} leads to a node twice, or never")
        return reference

    def _add(self, place: _Place) -> tuple[int, list[tuple[_Place, int, int]]]:
        """The reference to a node, and the children to be added: place, parent and side."""
        if place not in self._rows:
            raise UnreadableModel(f"A tree at {self._node.place} leads to a node that does not exist")
        row, file = self._rows[place], self._file
        if file.modes[row] == _LEAF:
            return self._leaf(place), []
        if file.modes[row] not in _MODES:
            raise self._node.refuse(f"a tree that compares with {file.modes[row]}", "Comparisons by size work")
        before, exchanged = _MODES[file.modes[row]]
        index = len(self.nodes)
        self.nodes.append([file.features[row], -1, -1])
        self.thresholds.append(_threshold(file.thresholds[row], before=before))
        true, false = ((place[0], child) for child in (file.true[row], file.false[row]))
        return index, [(true, index, 2 if exchanged else 1), (false, index, 1 if exchanged else 2)]

    def _leaf(self, place: _Place) -> int:
        values = self._values.get(place, numpy.zeros(self._outputs))
        return -1 - self.leaves.setdefault(values.astype(numpy.float32).tobytes(), len(self.leaves))


def _threshold(value: float, *, before: bool) -> float:
    if not numpy.isfinite(value):
        raise UnreadableModel("A tree compares with an infinite or undefined number")
    return (
        float(numpy.nextafter(numpy.float32(value), numpy.float32("-inf"))) if before else float(numpy.float32(value))
    )
