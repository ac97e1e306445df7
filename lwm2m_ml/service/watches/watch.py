"""A watcher's end of an observation: values as they come, until nothing more comes."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from lwm2m_ml.lwm2m.record import Record

QUEUE_LENGTH = 256
"""Notifications kept for a watcher that is slow to take them; older ones are dropped."""

Records = tuple[Record, ...]


class Watch(ABC):
    """One watcher of one or several paths of a device."""

    def __init__(self) -> None:
        self._news: asyncio.Queue[Records | None] = asyncio.Queue(QUEUE_LENGTH)

    async def next(self) -> Records | None:
        """Wait for values: the present ones, then those of every notification; None when nothing more comes."""
        return await self._news.get()

    def put(self, records: Sequence[Record] | None) -> None:
        """Have values for the watcher, or None when nothing more comes."""
        if self._news.full():
            self._news.get_nowait()
        self._news.put_nowait(None if records is None else tuple(records))

    def end(self) -> None:
        """Let the watcher know that nothing more comes."""
        self.put(None)

    @abstractmethod
    async def close(self) -> None:
        """Watch no longer. May be called again."""
