"""When registrations end unless the device is heard from: one timer for all of them."""

import asyncio
import heapq
from collections.abc import Callable


class Lifetimes:
    """Deadlines by endpoint, on the event loop's clock, which never jumps.

    A renewed deadline costs nothing but a dictionary entry: when the earlier one passes, the endpoint is put back.
    """

    def __init__(self, on_expiry: Callable[[str], None]) -> None:
        """Needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._on_expiry = on_expiry
        self._deadlines: dict[str, float] = {}
        self._queued: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, endpoint: str, seconds: float) -> None:
        """Expire an endpoint `seconds` from now, whatever was said before."""
        deadline = self._loop.time() + seconds
        self._deadlines[endpoint] = deadline
        if deadline < self._queued.get(endpoint, float("inf")):
            self._queue(endpoint, deadline)
            self._arm()

    def forget(self, endpoint: str) -> None:
        """Never expire an endpoint."""
        self._deadlines.pop(endpoint, None)

    def close(self) -> None:
        """Expire nobody any more."""
        self._deadlines.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _queue(self, endpoint: str, deadline: float) -> None:
        self._queued[endpoint] = deadline
        heapq.heappush(self._heap, (deadline, endpoint))

    def _arm(self) -> None:
        first = self._heap[0][0] if self._heap else None
        if self._timer is not None:
            if first is not None and self._timer.when() <= first:
                return
            self._timer.cancel()
            self._timer = None
        if first is not None:
            self._timer = self._loop.call_at(first, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._heap and self._heap[0][0] <= now:
            queued, endpoint = heapq.heappop(self._heap)
            if self._queued.get(endpoint) != queued:
                continue  # an earlier deadline was queued later on
            del self._queued[endpoint]
            deadline = self._deadlines.get(endpoint)
            if deadline is None:
                continue
            if deadline > now:
                self._queue(endpoint, deadline)
            else:
                del self._deadlines[endpoint]
                self._on_expiry(endpoint)
        self._arm()
