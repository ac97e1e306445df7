"""C text of loops over the axes of a tensor, and of indices that follow them."""

from collections.abc import Sequence


def steps(shape: Sequence[int]) -> list[int]:
    """How many elements lie between neighbours along each axis."""
    result = [1] * len(shape)
    for axis in reversed(range(len(shape) - 1)):
        result[axis] = result[axis + 1] * shape[axis + 1]
    return result


def loops(shape: Sequence[int], *, name: str = "i") -> str:
    """Nested loops over all axes with variables i0, i1 …"""
    return "".join(
        f"for (int32_t {name}{axis} = 0; {name}{axis} < {n}; ++{name}{axis}) " for axis, n in enumerate(shape)
    )


def broadcast_steps(shape: Sequence[int], result: Sequence[int]) -> list[int]:
    """Elements to step along each axis of the result; 0 where the operand is broadcast."""
    aligned = [1] * (len(result) - len(shape)) + list(shape)
    strides, step = [0] * len(result), 1
    for axis in reversed(range(len(result))):
        strides[axis] = 0 if aligned[axis] == 1 else step
        step *= aligned[axis]
    return strides


def index(strides: Sequence[int], *, name: str = "i") -> str:
    """The place of the element that the loops' variables name."""
    terms = [f"{name}{axis} * {stride}" for axis, stride in enumerate(strides) if stride]
    return " + ".join(terms) or "0"
