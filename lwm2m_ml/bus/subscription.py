"""One subscriber: its bounded queue and the task that hands it one event after the other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Subscription:
    """A handler's place on the bus; `cancel()` gives it up.

    Events reach the handler in the order of their publication, one at a time. When the handler is so slow that its
    queue is full, further events are dropped for this subscriber alone, counted in `dropped` and logged once per jam.
    """

    def __init__(
        self,
        event_type: type,
        handler: Callable[[Any], Awaitable[None]],
        *,
        queue_size: int,
        on_cancel: Callable[["Subscription"], None],
        everywhere: bool = False,
        here: bool = True,
    ) -> None:
        self.event_type = event_type
        self.everywhere = everywhere
        self.here = here
        self.dropped = 0
        self._handler = handler
        self._on_cancel = on_cancel
        self._queue: asyncio.Queue[object] = asyncio.Queue(queue_size)
        self._jammed = False
        self._cancelled = False
        self._log = log.bind(subscriber=getattr(handler, "__qualname__", None) or repr(handler))
        self._task = asyncio.get_running_loop().create_task(self._run())

    def offer(self, event: object) -> None:
        """Queue `event` for the handler, or drop it when the queue is full."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.dropped += 1
            if not self._jammed:
                self._jammed = True
                name, size = type(event).__name__, self._queue.maxsize
                self._log.error("event dropped: the subscriber is too slow", event_type=name, queue_size=size)
        else:
            self._jammed = False

    def cancel(self) -> None:
        """Stop handing out events; those still queued are forgotten. May be called from the handler itself."""
        self._on_cancel(self)
        self._cancelled = True
        while not self._queue.empty():
            self._queue.get_nowait()
            self._queue.task_done()
        self._task.cancel()

    async def drain(self) -> None:
        """Wait until every event queued so far has been handled."""
        await self._queue.join()

    async def wait_cancelled(self) -> None:
        """Wait until the handler has been left, after `cancel()`."""
        await asyncio.wait((self._task,))

    async def _run(self) -> None:
        while not self._cancelled:
            event = await self._queue.get()
            try:
                await self._handler(event)
            except Exception:
                self._log.exception("event handler failed", event_type=type(event).__name__)
            finally:
                self._queue.task_done()
