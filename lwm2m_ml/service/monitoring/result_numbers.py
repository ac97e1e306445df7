"""Which results of a series are missing, late or there twice, by their numbers (42771/x/5).

The window is that of a replay check (RFC 6347 §4.1.2.6), put to another use: results are counted from 1 and sent at
least once, over paths that may reorder them.
"""

from dataclasses import dataclass
from enum import StrEnum

WINDOW = 64
"""How late a result may come; one further back begins the series anew, as a device does that was switched off."""
_ALL = (1 << WINDOW) - 1


class Arrival(StrEnum):
    """What the number of a result says."""

    NEXT = "next"
    LATE = "late"
    DUPLICATE = "duplicate"
    RESTARTED = "restarted"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a number says, and how many results it shows to be missing: -1 when one that was missed came after all."""

    arrival: Arrival
    lost: int = 0


class ResultNumbers:
    """The numbers of one series: the highest, and which of the 64 up to it have come."""

    def __init__(self, highest: int | None = None) -> None:
        """`highest`: where the series stood when only that is still known; nothing before it then counts as late."""
        self.highest = highest
        self._come = _ALL if highest is None else 1

    def judge(self, number: int) -> Judged:
        """Take the number of a result that has come."""
        if self.highest is None:
            self.highest, self._come = number, _ALL  # who joins in the middle has missed nothing
            return Judged(Arrival.NEXT)
        ahead = number - self.highest
        if ahead > 0:
            self._come = ((self._come << ahead) | 1) & _ALL if ahead < WINDOW else 1
            self.highest = number
            return Judged(Arrival.NEXT, ahead - 1)
        if -ahead >= WINDOW or (number == 1 and ahead < 0):
            self.highest, self._come = number, _ALL
            return Judged(Arrival.RESTARTED, number - 1)
        bit = 1 << -ahead
        if self._come & bit:
            return Judged(Arrival.DUPLICATE)
        self._come |= bit
        return Judged(Arrival.LATE, -1)
