"""One operation at a time per device, in the order they were asked for."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lwm2m_ml.server.errors import DeviceBusy


class Turns:
    """A bounded first-come-first-served line in front of every device; a device nobody asks of costs nothing."""

    def __init__(self, maximum_waiting: int) -> None:
        self._maximum_waiting = maximum_waiting
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, endpoint: str) -> AsyncIterator[None]:
        """Wait for the turn, keep it for the length of the block. Raises `DeviceBusy` when the line is full."""
        line = self._lines.setdefault(endpoint, deque())
        if len(line) > self._maximum_waiting:
            raise DeviceBusy(
                f"{len(line)} operations already wait for {endpoint}", endpoint=endpoint, hint="Try again later"
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(turn)
        if line[0] is turn:
            turn.set_result(None)
        try:
            await turn
            yield
        finally:
            self._leave(endpoint, line, turn)

    def waiting(self, endpoint: str) -> int:
        """How many operations are under way or wait for a device."""
        return len(self._lines.get(endpoint, ()))

    def _leave(self, endpoint: str, line: deque[asyncio.Future[None]], turn: asyncio.Future[None]) -> None:
        line.remove(turn)
        if not line:
            del self._lines[endpoint]
        elif not line[0].done():
            line[0].set_result(None)
