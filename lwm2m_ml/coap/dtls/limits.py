"""How many handshakes per second a server takes part in."""


class TokenBucket:
    """So many events per second, with a burst of one second's worth."""

    __slots__ = ("_rate", "_tokens", "_updated")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._updated = now

    def take(self, now: float) -> bool:
        """Whether one more event is within the rate."""
        self._tokens = min(self._rate, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
