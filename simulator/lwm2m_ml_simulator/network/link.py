"""One direction of a path: decides of each datagram whether, when and how often it arrives."""

import random
from dataclasses import dataclass

from lwm2m_ml_simulator.network.conditions import Conditions


@dataclass(slots=True)
class LinkFigures:
    """What became of the datagrams of one direction."""

    lost: int = 0
    too_large: int = 0
    duplicated: int = 0
    reordered: int = 0


class Link:
    """Conditions at work. Its decisions depend on the seed and on the datagrams before, on nothing else."""

    def __init__(self, conditions: Conditions, seed: str) -> None:
        self.conditions = conditions
        self.figures = LinkFigures()
        self._random = random.Random(seed)
        self._free_at = 0.0

    def arrivals(self, size: int, now: float) -> tuple[float, ...]:
        """Return after how many seconds a datagram of `size` bytes arrives: never, once, or twice."""
        conditions = self.conditions
        if conditions.perfect:
            return (0.0,)
        if conditions.mtu is not None and size > conditions.mtu:
            self.figures.too_large += 1
            return ()
        delay = self._serialised(size, now)
        if self._happens(conditions.loss):
            self.figures.lost += 1
            return ()
        delay += self._flight()
        if not self._happens(conditions.duplication):
            return (delay,)
        self.figures.duplicated += 1
        return (delay, delay + self._flight())

    def _serialised(self, size: int, now: float) -> float:
        """The wait for datagrams before this one, and the time that its own bits take."""
        if self.conditions.bandwidth is None:
            return 0.0
        self._free_at = max(now, self._free_at) + size * 8 / self.conditions.bandwidth
        return self._free_at - now

    def _flight(self) -> float:
        conditions = self.conditions
        seconds = conditions.latency
        if conditions.jitter:
            seconds = max(0.0, self._random.gauss(seconds, conditions.jitter))
        if self._happens(conditions.reordering):
            self.figures.reordered += 1
            seconds += conditions.reorder_delay
        return seconds

    def _happens(self, share: float) -> bool:
        return share > 0.0 and self._random.random() < share
