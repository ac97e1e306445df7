"""The picture that a digit classifier wants of what was drawn."""

from collections.abc import Sequence

DOTS = 32
PIXELS = 8
BLOCK = DOTS // PIXELS


def pixels(dots: str) -> list[float]:
    """Return 8 by 8 pixels from 0 to 1, as the UCI digits were made: cut out, stretched to fill 32 by 32, counted.

    Each pixel is the share of set dots in a block of four by four. Empty when nothing was drawn.
    """
    rows = [[dots[row * DOTS + column] == "1" for column in range(DOTS)] for row in range(DOTS)]
    inked = [(row, column) for row in range(DOTS) for column in range(DOTS) if rows[row][column]]
    if not inked:
        return []
    top, bottom = min(row for row, _ in inked), max(row for row, _ in inked)
    left, right = min(column for _, column in inked), max(column for _, column in inked)
    side = max(bottom - top, right - left) + 1
    first_row, first_column = top - (side - (bottom - top + 1)) / 2, left - (side - (right - left + 1)) / 2
    places = [(step + 0.5) * side / DOTS for step in range(DOTS)]
    stretched = [[_dot(rows, first_row + row, first_column + column) for column in places] for row in places]
    return [_share(stretched, row, column) for row in range(PIXELS) for column in range(PIXELS)]


def _dot(rows: Sequence[Sequence[bool]], row: float, column: float) -> bool:
    return 0 <= row < DOTS and 0 <= column < DOTS and rows[int(row)][int(column)]


def _share(dots: Sequence[Sequence[bool]], row: int, column: int) -> float:
    block = [dots[row * BLOCK + y][column * BLOCK + x] for y in range(BLOCK) for x in range(BLOCK)]
    return sum(block) / len(block)
