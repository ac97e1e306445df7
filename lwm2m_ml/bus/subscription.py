"""One subscriber: its bounded queue and the task that hands it one event after the other."""

import asyncio
from collections import deque
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
        self._queue: deque[object] = deque()
        self._queue_size = queue_size
        self._idle = True
        """Whether all is handled, and the task waits to be woken."""
        self._wakeup = asyncio.Event()
        self._handled = asyncio.Event()
        self._handled.set()
        self._jammed = False
        self._cancelled = False
        self._log = log.bind(subscriber=getattr(handler, "__qualname__", None) or repr(handler))
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(lambda _: self._handled.set())

    def offer(self, event: object) -> None:
        """Queue `event` for the handler, or drop it when the queue is full."""
        if len(self._queue) >= self._queue_size:
            self._drop(event)
            return
        self._jammed = False
        self._queue.append(event)
        if self._idle:
            self._idle = False
            self._handled.clear()
            self._wakeup.set()

    def _drop(self, event: object) -> None:
        self.dropped += 1
        if not self._jammed:
            self._jammed = True
            name, size = type(event).__name__, self._queue_size
            self._log.error("event dropped: the subscriber is too slow", event_type=name, queue_size=size)

    def cancel(self) -> None:
        """Stop handing out events; those still queued are forgotten. May be called from the handler itself."""
        self._on_cancel(self)
        self._cancelled = True
        self._queue.clear()
        self._task.cancel()

    async def drain(self) -> None:
        """Wait until every event queued so far has been handled."""
        await self._handled.wait()

    async def wait_cancelled(self) -> None:
        """Wait until the handler has been left, after `cancel()`."""
        await asyncio.wait((self._task,))

    async def _run(self) -> None:
        while not self._cancelled:
            while self._queue:
                await self._hand_out(self._queue.popleft())
            self._idle = True
            self._handled.set()
            await self._wakeup.wait()
            self._wakeup.clear()

    async def _hand_out(self, event: object) -> None:
        try:
            await self._handler(event)
        except Exception:
            self._log.exception("event handler failed", event_type=type(event).__name__)
