"""Results on their way to the server: in order, kept while it cannot be reached, the oldest dropped when full."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from lwm2m_ml.lwm2m.record import Record

Send = Callable[[Sequence[Record]], Awaitable[bool]]


class Outbox:
    """A bounded queue in RAM with one sender."""

    def __init__(self, send: Send, *, capacity: int = 256, pause: float = 1.0) -> None:
        self.dropped = 0
        self._send = send
        self._pause = pause
        self._waiting: deque[Sequence[Record]] = deque(maxlen=capacity)
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, records: Sequence[Record]) -> None:
        """Queue one message."""
        if len(self._waiting) == self._waiting.maxlen:
            self.dropped += 1
        self._waiting.append(records)
        self._filled.set()

    async def run(self) -> None:
        """Send what is queued, for ever; after a failure try the same message again."""
        while True:
            await self._filled.wait()
            while self._waiting:
                records = self._waiting[0]
                if not await self._send(records):
                    await asyncio.sleep(self._pause)
                elif self._waiting and self._waiting[0] is records:
                    self._waiting.popleft()
            self._filled.clear()
