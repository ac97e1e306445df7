"""Which results of a slot are missing, late or there twice, by their numbers (42771/x/5) and series (42771/x/16).

The window is that of a replay check (RFC 6347 §4.1.2.6), put to another use: results are counted from 1 and sent at
least once, over paths that may reorder them. A device that tells no series begins anew where its numbers fall back.
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


UNTOLD = 0
"""The series of a device that tells none."""
_KEPT_SERIES = 4


class ResultNumbers:
    """The numbers of one series: the highest, and which of the 64 up to it have come."""

    __slots__ = ("_come", "highest", "series")

    def __init__(self, highest: int | None = None, *, series: int = UNTOLD) -> None:
        """`highest`: where the series stood when only that is still known; nothing before it then counts as late.

        A device that tells its `series` says when it counts from 1 again: a number that falls back is only late.
        """
        self.series = series
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
        told = self.series != UNTOLD
        if told and -ahead >= WINDOW:
            return Judged(Arrival.LATE)  # too late to know whether it had been missed
        if not told and (-ahead >= WINDOW or (number == 1 and ahead < 0)):
            self.highest, self._come = number, _ALL
            return Judged(Arrival.RESTARTED, number - 1)
        bit = 1 << -ahead
        if self._come & bit:
            return Judged(Arrival.DUPLICATE)
        self._come |= bit
        return Judged(Arrival.LATE, -1)


class SlotNumbers:
    """The numbers of one slot, series by series; results of a series that ended may still come.

    A server holds one for each device that tells results, and most of them tell one series.
    """

    __slots__ = ("_series",)

    def __init__(self, series: int = UNTOLD, highest: int | None = None) -> None:
        """`series` and `highest`: where the slot stood when only that is still known."""
        self._series: tuple[ResultNumbers, ...] = ()
        """The one that came last stands last."""
        if highest is not None:
            self._series = (ResultNumbers(highest, series=series),)

    @property
    def remembered(self) -> int:
        """How many series are known at the moment."""
        return len(self._series)

    def judge(self, series: int, number: int) -> Judged:
        """Take series and number of a result that has come."""
        if not self._series or self._series[-1].series != series:
            self._turn_to(series, number)
        return self._series[-1].judge(number)

    def _turn_to(self, series: int, number: int) -> None:
        """Put a series last. One after another begins with 1; who knows none before has joined in the middle."""
        numbers = next((one for one in self._series if one.series == series), None)
        if numbers is None:
            follows = series != UNTOLD and bool(self._series) and number > 0
            numbers = ResultNumbers(0 if follows else None, series=series)
        others = [one for one in self._series if one is not numbers]
        self._series = (*others, numbers)[-_KEPT_SERIES:]
