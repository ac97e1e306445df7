"""How often somebody may do something: so many times per second, with a burst, in bounded memory."""

MAXIMUM_PEERS = 10_000
BURST_SECONDS = 5.0


class Rates:
    """A token bucket per peer. Peers that were not heard of for a burst's time are as good as new, so they may go."""

    def __init__(self, per_second: float) -> None:
        """`per_second` 0 sets no limit."""
        self._rate = per_second
        self._burst = max(per_second * BURST_SECONDS, 1.0)
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, peer: str, now: float) -> bool:
        """Whether the peer is within its rate; counts this time."""
        if not self._rate:
            return True
        tokens, updated = self._buckets.pop(peer, (self._burst, now))
        tokens = min(self._burst, tokens + (now - updated) * self._rate)
        allowed = tokens >= 1
        if len(self._buckets) >= MAXIMUM_PEERS:
            del self._buckets[next(iter(self._buckets))]  # the least recently heard
        self._buckets[peer] = (tokens - 1 if allowed else tokens, now)
        return allowed

    def __len__(self) -> int:
        return len(self._buckets)
