"""Work that many devices want at once, done for so many at a time; one that waits costs no more than its name."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

PRESSED_SECONDS = 0.2
"""Until it is seen whether the server is still pressed."""

log = structlog.get_logger(__name__)


class Visits:
    """Visits to devices, first come first served, one at a time to each."""

    def __init__(
        self, visit: Callable[[str], Awaitable[None]], *, at_once: int, pressed: Callable[[], bool] = lambda: False
    ) -> None:
        """`visit` is called with the endpoint; how it ends is its own business. None is begun while `pressed`."""
        self._visit = visit
        self._at_once = at_once
        self._pressed = pressed
        self._later: asyncio.TimerHandle | None = None
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    def __contains__(self, endpoint: str) -> bool:
        """Whether a device waits for a visit, or has one."""
        return endpoint in self._waiting or endpoint in self._under_way

    def ask(self, endpoint: str) -> None:
        """Visit a device when it is its turn; a visit under way is given up for that."""
        self._leave(endpoint)
        self._waiting[endpoint] = None
        self._go_on()

    def give_up(self, endpoint: str) -> None:
        """Visit a device no more."""
        self._leave(endpoint)
        self._go_on()

    def _leave(self, endpoint: str) -> None:
        self._waiting.pop(endpoint, None)
        under_way = self._under_way.pop(endpoint, None)
        if under_way is not None:
            under_way.cancel()

    async def close(self) -> None:
        """Give up all visits."""
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        self._waiting.clear()
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _go_on(self) -> None:
        while self._waiting and len(self._under_way) < self._at_once and not self._closed:
            if self._pressed():
                self._go_on_later()
                return
            endpoint, _ = self._waiting.popitem(last=False)
            task = self._under_way[endpoint] = asyncio.create_task(self._make(endpoint))
            task.add_done_callback(partial(self._ended, endpoint))

    def _go_on_later(self) -> None:
        def go_on() -> None:
            self._later = None
            self._go_on()

        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(PRESSED_SECONDS, go_on)

    async def _make(self, endpoint: str) -> None:
        try:
            await self._visit(endpoint)
        except Exception:
            log.exception("visit failed", endpoint=endpoint)

    def _ended(self, endpoint: str, task: "asyncio.Task[None]") -> None:
        if self._under_way.get(endpoint) is task:
            del self._under_way[endpoint]
        self._go_on()
