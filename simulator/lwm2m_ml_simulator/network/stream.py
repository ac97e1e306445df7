"""One direction of a TCP connection over a path: when each of its segments would be there.

The kernel carries the bytes, at once and without loss; what the path makes of them is computed here (RFC 9293, 5681,
6298). Assumptions:

- The receiver's window has four segments of 1,024 B, as small stacks offer: a segment leaves when the fourth before it
  is acknowledged. Congestion control never allows less than that; its first window has ten segments (RFC 6928).
- Every second segment is acknowledged, and each at once that is the last of what was to send. Acknowledgements are
  never lost, as the next one says the same.
- A lost segment is sent again one round trip after it left when three others were sent behind it and arrived (three
  duplicate acknowledgements), else after a retransmission time-out: two round trips, at least 1 s, doubled each time
  that it is lost again, up to 60 s. What was sent behind it waits for it: a stream has no gaps.
- TCP hides duplication and reordering; its segments are smaller than any MTU.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from lwm2m_ml_simulator.network.conditions import Conditions

SEGMENT_BYTES = 1024
HEADER_BYTES = 20
DEVICE_WINDOW = 4
DUPLICATES = 3
SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the stream: its bytes without header, how often it is sent, after how many seconds it is there."""

    size: int
    sent: int
    delay: float
    acknowledged: bool


class StreamLink:
    """Conditions at work on one direction. Its decisions depend on the seed and on the segments before."""

    def __init__(self, conditions: Callable[[], Conditions], seed: str) -> None:
        self._conditions = conditions
        self._random = random.Random(seed)
        self._free_at = 0.0
        self._last_arrival = 0.0
        self._acknowledged: deque[float] = deque(maxlen=DEVICE_WINDOW)
        self._unacknowledged = 0

    def open(self, now: float) -> int:
        """Let the handshake take its round trip before the first segment; return how often it had to be begun."""
        conditions = self._conditions()
        lost = self._losses(conditions)
        self._free_at = now + 2 * conditions.latency + _timeouts(SHORTEST_TIMEOUT, lost)
        return 1 + lost

    def carry(self, size: int, now: float) -> list[Segment]:
        """Return the segments of so many bytes, written now."""
        conditions = self._conditions()
        sizes = [min(SEGMENT_BYTES, size - start) for start in range(0, size, SEGMENT_BYTES)]
        losses = [self._losses(conditions) for _ in sizes]
        return [
            self._segment(one, losses[index], losses[index + 1 : index + 1 + DUPLICATES], now, index + 1 == len(sizes))
            for index, one in enumerate(sizes)
        ]

    def _segment(self, size: int, lost: int, behind: list[int], now: float, last: bool) -> Segment:
        conditions = self._conditions()
        window_opens = self._acknowledged[0] if len(self._acknowledged) == DEVICE_WINDOW else 0.0
        leaves = max(now, self._free_at, window_opens)
        self._free_at = leaves + _on_the_wire(size, conditions)
        repeated = _repetitions(lost, behind, conditions)
        there = max(self._last_arrival, self._free_at + repeated + self._flight(conditions))
        self._last_arrival = there
        self._acknowledged.append(there + conditions.latency)
        self._unacknowledged += 1
        acknowledged = last or self._unacknowledged == 2
        if acknowledged:
            self._unacknowledged = 0
        return Segment(size, 1 + lost, there - now, acknowledged)

    def _flight(self, conditions: Conditions) -> float:
        if not conditions.jitter:
            return conditions.latency
        return max(0.0, self._random.gauss(conditions.latency, conditions.jitter))

    def _losses(self, conditions: Conditions) -> int:
        """How often a segment is lost before it arrives; a path that loses everything lets it through at last."""
        lost = 0
        while lost < _MOST_LOSSES and self._random.random() < conditions.loss:
            lost += 1
        return lost


_MOST_LOSSES = 15
"""As often as stacks try before they give up."""


def _on_the_wire(size: int, conditions: Conditions) -> float:
    return 0.0 if conditions.bandwidth is None else (size + HEADER_BYTES) * 8 / conditions.bandwidth


def _repetitions(lost: int, behind: list[int], conditions: Conditions) -> float:
    """Return how much later a segment arrives that is lost so often, and `behind` it so often the next ones."""
    if not lost:
        return 0.0
    timeout = max(SHORTEST_TIMEOUT, 2 * (2 * conditions.latency + _on_the_wire(SEGMENT_BYTES, conditions)))
    if len(behind) == DUPLICATES and not any(behind):
        noticed = 2 * conditions.latency + DUPLICATES * _on_the_wire(SEGMENT_BYTES, conditions)
        return noticed + _timeouts(timeout, lost - 1)
    return _timeouts(timeout, lost)


def _timeouts(first: float, count: int) -> float:
    return sum((min(LONGEST_TIMEOUT, first * 2.0**number) for number in range(count)), 0.0)
