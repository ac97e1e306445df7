"""Where a buffer fits beside those already placed, and whether a whole plan is sound."""

from collections.abc import Mapping, Sequence

from lwm2m_ml.compiler.memory.problem import Problem


def lowest_fit(problem: Problem, number: int, placed: Mapping[int, int]) -> int:
    """The lowest aligned offset at which a buffer overlaps no placed one that it must not overlap."""
    buffer = problem.buffers[number]
    blocked = sorted(
        # Offsets strictly between these two are impossible.
        (placed[other] - problem.room_above(number, other), placed[other] + problem.room_above(other, number))
        for other in problem.neighbours[number]
        if other in placed
    )
    offset = 0
    for low, high in blocked:
        if low < offset < high:
            offset = -(-high // buffer.alignment) * buffer.alignment
    return offset


def fits(problem: Problem, offsets: Sequence[int]) -> bool:
    """Tell whether all offsets are aligned and no two buffers overlap that must not."""
    for number, buffer in enumerate(problem.buffers):
        if offsets[number] < 0 or offsets[number] % buffer.alignment:
            return False
        for other in problem.neighbours[number]:
            low = offsets[other] - problem.room_above(number, other)
            high = offsets[other] + problem.room_above(other, number)
            if low < offsets[number] < high:
                return False
    return True


def height(problem: Problem, offsets: Sequence[int]) -> int:
    """Bytes that a plan needs."""
    return max((offset + buffer.size for offset, buffer in zip(offsets, problem.buffers, strict=True)), default=0)
