"""Forgetting the answers of peers that are silent: of a hundred thousand, most are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lwm2m_ml.coap.remote import Remote

PAUSE = 60.0
"""Between one look at all peers and the next, in seconds."""
PEERS_AT_ONCE = 1_000
"""Peers looked at before others get their turn: a millisecond or two."""


class Sweep:
    """Looks at all peers again and again, from `start()` to `stop()`."""

    __slots__ = ("_loop", "_next", "_peers")

    def __init__(self, peers: Callable[[], Sequence[Remote]]) -> None:
        """Needs a running event loop."""
        self._peers = peers
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle | None = None

    def start(self) -> None:
        """Look at them after the pause."""
        self._next = self._loop.call_later(PAUSE, self._begin)

    def stop(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _begin(self) -> None:
        self._go_on(self._peers(), 0)

    def _go_on(self, peers: Sequence[Remote], place: int) -> None:
        now, following = self._loop.time(), place + PEERS_AT_ONCE
        for remote in peers[place:following]:
            remote.answers.expire(now)
        if following < len(peers):
            self._next = self._loop.call_soon(self._go_on, peers, following)
        else:
            self.start()
