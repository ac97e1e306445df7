"""Watches for other nodes: made where the device is served, and taken one notification at a time.

A node that takes nothing for a while has ended, or has forgotten the watch: it is closed then.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.bus.bus import Document
from lwm2m_ml.errors import NotFoundError, UnavailableError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.senml_documents import to_senml
from lwm2m_ml.service.watches.local import LocalWatches
from lwm2m_ml.service.watches.watch import Watch

BEGIN, NEXT, CLOSE = "watches.begin", "watches.next", "watches.close"
LENT_AT_MOST = 256
NEXT_SECONDS = 10.0
"""How long a request waits for a notification; then it is made again."""
ABANDONED_SECONDS = 30.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Lent:
    """A watch that another node has; `abandoned` is the time at which it is closed unless it is asked for before."""

    watch: Watch
    abandoned: asyncio.TimerHandle = field(init=False)


class LentWatches:
    """The watches that other nodes have here, by the name that they gave them."""

    def __init__(self, watches: LocalWatches) -> None:
        self._watches = watches
        self._lent: dict[str, Lent] = {}
        self._beginning = 0
        self._closing: set[asyncio.Task[None]] = set()

    def start(self, bus: Bus) -> None:
        """Serve other nodes."""
        bus.serve(BEGIN, self._begin)
        bus.serve(NEXT, self._next)
        bus.serve(CLOSE, self._close)

    def __len__(self) -> int:
        return len(self._lent) + self._beginning

    async def stop(self) -> None:
        """Let go of them; the observations go with the server."""
        for lent in self._lent.values():
            lent.abandoned.cancel()
            lent.watch.end()
        self._lent.clear()
        tasks = list(self._closing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self, document: Document) -> Document:
        if len(self) >= LENT_AT_MOST:
            raise UnavailableError(
                f"{LENT_AT_MOST} watches of other nodes are served already", hint="Watch it at the node that serves it"
            )
        paths = [ObjectPath.parse(path) for path in document["paths"]]
        self._beginning += 1
        try:
            lent = Lent(await self._watches.add(document["endpoint"], paths, document["behind"]))
        finally:
            self._beginning -= 1
        self._lent[document["watch"]] = lent
        self._expect_requests(document["watch"], lent)
        return {}

    async def _next(self, document: Document) -> Document:
        """The next values: none when there is no news yet, and `ended` when nothing more comes."""
        name = document["watch"]
        lent = self._lent.get(name)
        if lent is None:
            raise NotFoundError("This watch has ended", hint="Watch again")
        lent.abandoned.cancel()
        try:
            async with asyncio.timeout(NEXT_SECONDS):
                records = await lent.watch.next()
        except TimeoutError:
            return {"values": None, "ended": False}
        finally:
            if name in self._lent:
                self._expect_requests(name, lent)
        if records is None:
            await self._give_back(name)
            return {"values": None, "ended": True}
        return {"values": to_senml(records), "ended": False}

    async def _close(self, document: Document) -> Document:
        await self._give_back(document["watch"])
        return {}

    def _expect_requests(self, name: str, lent: Lent) -> None:
        lent.abandoned = asyncio.get_running_loop().call_later(ABANDONED_SECONDS, self._abandon, name)

    def _abandon(self, name: str) -> None:
        log.info("a watch of another node is abandoned", watch=name)
        task = asyncio.create_task(self._give_back(name))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _give_back(self, name: str) -> None:
        lent = self._lent.pop(name, None)
        if lent is not None:
            lent.abandoned.cancel()
            lent.watch.end()  # whoever waits for its next values
            await lent.watch.close()
