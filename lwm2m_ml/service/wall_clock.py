"""The clock on the wall, held against one that never jumps: it is set by people, by NTP, and by machines that slept."""

import time
from collections.abc import Callable

TOLERANCE = 60.0
"""Seconds; less is how clocks are kept right."""


class WallClock:
    """Notices when the wall clock was set."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._ahead = wall() - steady()

    def jumped(self) -> float:
        """How many seconds it was set forward (back: negative) since this was asked last; 0 for what is tolerable."""
        ahead = self._wall() - self._steady()
        jump, self._ahead = ahead - self._ahead, ahead
        return jump if abs(jump) > TOLERANCE else 0.0
