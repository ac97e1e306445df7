"""What is kept in memory follows the store: it is read anew when another node has changed it there."""

from collections.abc import Awaitable, Callable, Mapping, Set

from lwm2m_ml.bus import Bus
from lwm2m_ml.store.changes import StoreChanged

Follow = Callable[[Set[str]], Awaitable[None]]
"""Takes note of the names of all tables that changed."""


class StoreFollowing:
    """Lets whoever keeps rows in memory read them again; this node's own changes they know."""

    def __init__(self, follow: Follow, readers: Mapping[tuple[str, ...], Callable[[], Awaitable[None]]]) -> None:
        """`follow` hears of every change and comes first; of `readers`, those with a table that changed."""
        self._follow = follow
        self._readers = readers

    def start(self, bus: Bus) -> None:
        """Listen to what other nodes change."""
        bus.subscribe(StoreChanged, self._changed, everywhere=True, here=False)

    async def _changed(self, event: StoreChanged) -> None:
        changed = frozenset(event.tables)
        await self._follow(changed)
        for tables, read in self._readers.items():
            if not changed.isdisjoint(tables):
                await read()
