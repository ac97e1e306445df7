"""Which requests were seen: a sliding window over sequence numbers (RFC 8613 §7.4)."""

from __future__ import annotations

from lwm2m_ml.coap.oscore.states import ReplayState


class ReplayWindow:
    """The highest number, and which of those below it were seen; anything older counts as seen."""

    __slots__ = ("_highest", "_seen", "_size")

    def __init__(self, size: int, state: ReplayState) -> None:
        self._size = size
        self._highest = state.highest
        self._seen = state.seen

    @classmethod
    def beginning_with(cls, size: int, number: int) -> ReplayWindow:
        """A window that has seen this number and, to be safe, everything before it."""
        return cls(size, ReplayState(number, (1 << size) - 1))

    def accepts(self, number: int) -> bool:
        """Whether a number is new."""
        behind = self._highest - number
        return behind < 0 or (behind < self._size and not self._seen >> behind & 1)

    def mark(self, number: int) -> bool:
        """The number was seen, in a message that proved authentic; returns whether it is the highest."""
        ahead = number - self._highest
        if ahead <= 0:
            self._seen |= 1 << -ahead
            return False
        self._seen = (self._seen << min(ahead, self._size) | 1) & (1 << self._size) - 1
        self._highest = number
        return True

    @property
    def state(self) -> ReplayState:
        """What is to be kept."""
        return ReplayState(self._highest, self._seen)
