"""Watches of devices that another node serves: had there, and taken from there for as long as somebody watches here."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.senml_documents import from_senml
from lwm2m_ml.service.watches.lent import BEGIN, CLOSE, NEXT, NEXT_SECONDS
from lwm2m_ml.service.watches.watch import Watch

ANSWER_SECONDS = NEXT_SECONDS + 5.0
"""A node that does not even say that there is no news is gone."""
CLOSE_SECONDS = 5.0

log = structlog.get_logger(__name__)


class WatchElsewhere(Watch):
    """Asks for one notification after the other; ends when the device has left, has moved, or its node is gone."""

    def __init__(self, bus: Bus, endpoint: str, on_close: Callable[["WatchElsewhere"], None]) -> None:
        super().__init__()
        self._bus = bus
        self._endpoint = endpoint
        self._on_close = on_close
        self._name = secrets.token_hex(8)
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    async def begin(self, paths: Sequence[ObjectPath], behind: str) -> None:
        """Have it watched there; raises what an observation raises, and `NotOwner`."""
        asked = {"watch": self._name, "endpoint": self._endpoint, "paths": list(map(str, paths)), "behind": behind}
        await self._bus.ask(self._endpoint, BEGIN, asked)
        self._task = asyncio.create_task(self._take(), name=f"watch {self._endpoint}")

    async def close(self) -> None:
        """Watch no longer; the other node is told. May be called again."""
        if self._closed:
            return
        self._closed = True
        self._on_close(self)
        if self._task is None or self._task.done():
            return
        with contextlib.suppress(Lwm2mMlError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._bus.ask(self._endpoint, CLOSE, {"watch": self._name})
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _take(self) -> None:
        try:
            while not self._closed and await self._take_one():
                pass
        except (Lwm2mMlError, TimeoutError) as error:
            log.info("watch ended", endpoint=self._endpoint, reason=str(error) or "the other node does not answer")
        self.end()

    async def _take_one(self) -> bool:
        """Whether more may come."""
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await self._bus.ask(self._endpoint, NEXT, {"watch": self._name})
        if answer["values"] is not None:
            self.put(from_senml(answer["values"]))
        return not answer["ended"]


class WatchesElsewhere:
    """What this node watches at others."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._watches: set[WatchElsewhere] = set()

    async def add(self, endpoint: str, paths: Sequence[ObjectPath], behind: str = "") -> Watch:
        """Begin to watch; raises what an observation raises, and `NotOwner` when no node serves the device."""
        watch = WatchElsewhere(self._bus, endpoint, self._watches.discard)
        await watch.begin(paths, behind)
        self._watches.add(watch)
        return watch

    def end_all(self) -> None:
        """Let every watcher know that nothing more comes."""
        for watch in self._watches:
            watch.end()

    async def stop(self) -> None:
        """Watch nothing any more."""
        await asyncio.gather(*(watch.close() for watch in tuple(self._watches)))
