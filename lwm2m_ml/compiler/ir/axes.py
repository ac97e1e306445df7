"""Facts about orders of axes."""

from collections.abc import Sequence


def moves_only_ones(shape: Sequence[int], permutation: Sequence[int]) -> bool:
    """Whether a transposition keeps the elements where they are in memory."""
    long_axes = [axis for axis in permutation if shape[axis] != 1]
    return long_axes == sorted(long_axes)
