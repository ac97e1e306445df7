"""Ranges and enumerations as object definitions write them: `0..255`, `16,32,48`, `0..3, 99`, `1..64 bytes`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = r"[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?)"
_INTERVAL = re.compile(rf"\s*({_NUMBER})\s*(?:\.\.\s*({_NUMBER}))?\s*")
_LENGTH_UNIT = re.compile(r"\s*(?:bytes?|digits|hex digits|characters)\s*$", re.IGNORECASE)
_ENUMERATION_LINE = re.compile(r"\s*(\d+)\s*:\s*[^\n]*")


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The intervals a number, or the length of a text or byte string, must lie in."""

    intervals: tuple[tuple[float, float], ...]

    def allows(self, number: float) -> bool:
        """Tell whether the number lies in one of the intervals, their ends included."""
        return any(low <= number <= high for low, high in self.intervals)

    def __str__(self) -> str:
        return ", ".join(
            _shown(low) if low == high else f"{_shown(low)}..{_shown(high)}" for low, high in self.intervals
        )


def _shown(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def parse_number_range(text: str) -> ValueRange | None:
    """Read the range of a numeric resource; None where the text gives none that a program can check.

    A lone number is not a range: registered objects use it for a maximum, a count of bits and an example alike.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    enumerated = [_ENUMERATION_LINE.fullmatch(line) for line in lines]
    if enumerated and all(enumerated):
        return ValueRange(tuple((float(match[1]), float(match[1])) for match in enumerated if match is not None))
    intervals = _intervals(text)
    if intervals is None or (len(intervals) == 1 and ".." not in text):
        return None
    return ValueRange(intervals)


def parse_length_range(text: str) -> ValueRange | None:
    """Read the allowed lengths of a text or byte string: `64` is a maximum, `16,32` are the only ones."""
    intervals = _intervals(_LENGTH_UNIT.sub("", text))
    if intervals is None or any(low < 0 for low, _ in intervals):
        return None
    if len(intervals) == 1 and ".." not in text:
        return ValueRange(((0.0, intervals[0][1]),))
    return ValueRange(intervals)


def _intervals(text: str) -> tuple[tuple[float, float], ...] | None:
    intervals = []
    for part in re.split("[,;]", text):
        match = _INTERVAL.fullmatch(part)
        if match is None:
            return None
        low = _number(match[1])
        high = low if match[2] is None else _number(match[2])
        # Signal strengths are registered from the better to the worse: -30..-120.
        intervals.append((min(low, high), max(low, high)))
    return tuple(intervals)


def _number(text: str) -> float:
    return float(int(text, 16)) if "x" in text.lower() else float(text)
