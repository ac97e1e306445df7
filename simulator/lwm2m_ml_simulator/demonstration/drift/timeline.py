"""What happened when, and how often the devices were right meanwhile."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, in seconds since the beginning."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Results that came until a moment since the one before, and how many of them were right."""

    at: float
    right: int
    results: int


@dataclass(slots=True)
class Timeline:
    """Moments and tallies in the order they came."""

    moments: list[Moment] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def tell(self, what: str) -> Moment:
        """Note that something happened now."""
        moment = Moment(time.monotonic() - self._began, what)
        self.moments.append(moment)
        return moment

    def count(self, right: int, results: int) -> None:
        """Note results that came since the last time."""
        if results:
            self.tallies.append(Tally(time.monotonic() - self._began, right, results))


def share(tallies: Sequence[Tally]) -> float | None:
    """The share of right results; None when there are none."""
    results = sum(tally.results for tally in tallies)
    return sum(tally.right for tally in tallies) / results if results else None
