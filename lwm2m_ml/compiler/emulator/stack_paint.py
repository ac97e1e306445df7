"""Measures how deep a stack went: paint it before, look how much paint is left after."""

from typing import Any

import numpy

_PAINT = 0xC39A_5D27


class StackPaint:
    """The painted words between a region's low end and a stack's top."""

    def __init__(self, low: int, top: int) -> None:
        self.low = low
        self.top = top
        self._touched_from = low

    def apply(self, engine: Any) -> None:
        """Paint what the last call left unpainted: all of it at first."""
        words = (self.top - self._touched_from) // 4
        engine.mem_write(self._touched_from, numpy.full(words, _PAINT, "<u4").tobytes())
        self._touched_from = self.top

    def measure(self, engine: Any) -> int:
        """Bytes between the top and the lowest word that was written."""
        words = numpy.frombuffer(engine.mem_read(self.low, self.top - self.low), "<u4")
        touched = numpy.flatnonzero(words != _PAINT)
        if touched.size:
            self._touched_from = self.low + 4 * int(touched[0])
        return self.top - self._touched_from
