"""The in-memory bus: events go to every subscriber of their type, and no subscriber can hurt another."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import structlog

from lwm2m_ml.bus.subscription import Subscription
from lwm2m_ml.errors import UsageError

Event = TypeVar("Event")
Document = Mapping[str, Any]
"""A request or its answer, as JSON."""
Handler = Callable[[Document], Awaitable[Document]]
Router = Callable[[str, str, Document], Awaitable[Document]]
"""Takes whose owner is asked, what for, and the request."""

DEFAULT_QUEUE_SIZE = 10_000
CLOSE_TIMEOUT = 5.0
"""Seconds that subscribers get, together, to handle what is queued when the bus closes."""

log = structlog.get_logger(__name__)


class Bus:
    """Delivers events by their type. Publishing never waits and never raises for a subscriber's sake."""

    def __init__(self, *, queue_size: int = DEFAULT_QUEUE_SIZE) -> None:
        self._queue_size = queue_size
        self._subscriptions: dict[type, list[Subscription]] = {}
        self._closed = False
        self.router: Router | None = None
        """Answers requests whose owner may be another node; without one everything is answered here."""
        self._handlers: dict[str, Handler] = {}
        self.relay: Callable[[object], None] | None = None
        """Hears of every event that is published here; in a cluster it tells the other nodes."""

    def publish(self, event: object) -> None:
        """Queue `event` for every subscriber of its type or of one of the type's bases."""
        if self._closed:
            return
        for event_type in type(event).__mro__:
            for subscription in self._subscriptions.get(event_type, ()):
                if subscription.here:
                    subscription.offer(event)
        if self.relay is not None:
            self.relay(event)

    def serve(self, what: str, handler: Handler) -> None:
        """Answer requests of this kind, about what this process acts for."""
        self._handlers[what] = handler

    async def ask(self, owner_of: str, what: str, document: Document) -> Document:
        """Have a request answered by whoever acts for `owner_of`. Raises what the handler raises, and `NotOwner`."""
        if self.router is not None:
            return await self.router(owner_of, what, document)
        return await self.answer(what, document)

    async def answer(self, what: str, document: Document) -> Document:
        """Answer a request here; raises `UsageError` for one that nobody serves."""
        handler = self._handlers.get(what)
        if handler is None:
            raise UsageError(f"Nobody answers {what!r} here")
        return await handler(document)

    def deliver(self, event: object) -> None:
        """Queue an event of another node, for those who asked for events from everywhere."""
        if self._closed:
            return
        for event_type in type(event).__mro__:
            for subscription in self._subscriptions.get(event_type, ()):
                if subscription.everywhere:
                    subscription.offer(event)

    def subscribe(
        self,
        event_type: type[Event],
        handler: Callable[[Event], Awaitable[None]],
        *,
        queue_size: int | None = None,
        everywhere: bool = False,
        here: bool = True,
    ) -> Subscription:
        """Call `handler` with every later event of `event_type`; needs a running event loop.

        Whoever does something about an event, once, listens here; who only has to know of it listens `everywhere`: to
        all nodes of a cluster. Not `here` means: to the other ones only.
        """
        size = queue_size or self._queue_size
        subscription = Subscription(
            event_type, handler, queue_size=size, on_cancel=self._remove, everywhere=everywhere, here=here
        )
        self._subscriptions.setdefault(event_type, []).append(subscription)
        return subscription

    async def drain(self) -> None:
        """Wait until every event published so far has been handled."""
        await asyncio.gather(*(subscription.drain() for subscription in self._all()))

    async def close(self, *, timeout: float = CLOSE_TIMEOUT) -> None:  # noqa: ASYNC109 - bounds the drain, then cancels
        """Take no more events, let subscribers finish what is queued for at most `timeout` seconds, end their tasks."""
        self._closed = True
        subscriptions = self._all()
        try:
            await asyncio.wait_for(self.drain(), timeout)
        except TimeoutError:
            log.warning("bus closed with unhandled events", timeout=timeout)
        for subscription in subscriptions:
            subscription.cancel()
        for subscription in subscriptions:
            await subscription.wait_cancelled()

    def _all(self) -> tuple[Subscription, ...]:
        return tuple(one for of_type in self._subscriptions.values() for one in of_type)

    def _remove(self, subscription: Subscription) -> None:
        of_type = self._subscriptions.get(subscription.event_type, [])
        if subscription in of_type:
            of_type.remove(subscription)
