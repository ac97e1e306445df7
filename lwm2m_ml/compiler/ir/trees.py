"""Decision trees: random forests and gradient boosting as one operation."""

from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml.compiler.errors import WrongShape

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TreeEnsemble:
    """The sum of a bias and of the leaves that a sample reaches, one in each tree, always in float32.

    Operands: samples (N, features) float32; nodes (nodes, 3) int32: the feature that is looked at, the child where it
    is at most the threshold, the child where it is not; thresholds (nodes) float32; roots (trees) int32; leaves
    (leaves, outputs) float32; bias (outputs) float32. A child or root below zero is leaf -1 - child. Children follow
    their parents, so that every walk ends. The result is (N, outputs).
    """


def tree_ensemble_shape(_kind: TreeEnsemble, shapes: Sequence[Shape]) -> Shape:
    """The shape of the result; raises WrongShape."""
    samples, nodes, thresholds, _roots, leaves, bias = shapes
    ranks = tuple(map(len, shapes))
    fits = ranks == (2, 2, 1, 1, 2, 1) and nodes == (thresholds[0], 3) and bias == leaves[1:]
    if not fits:
        raise WrongShape(f"Trees on samples of the shape {samples}: nodes, thresholds and leaves do not fit together")
    return (samples[0], leaves[1])
