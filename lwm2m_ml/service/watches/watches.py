"""Watches of devices wherever they are served: here, or taken from the node that serves them."""

from collections.abc import Sequence

from lwm2m_ml.bus import Bus
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service.watches.elsewhere import WatchesElsewhere
from lwm2m_ml.service.watches.lent import LentWatches
from lwm2m_ml.service.watches.local import LocalWatches
from lwm2m_ml.service.watches.watch import Watch


class Watches:
    """All watches of a service."""

    def __init__(self, server: Lwm2mServer, bus: Bus) -> None:
        self._server = server
        self._bus = bus
        self._here = LocalWatches(server.devices, server.ownership, bus)
        self._lent = LentWatches(self._here)
        self._elsewhere = WatchesElsewhere(bus)

    def start(self) -> None:
        """Listen for devices that start anew, leave or move, and watch for other nodes."""
        self._here.start()
        self._lent.start(self._bus)

    async def stop(self) -> None:
        """Watch nothing any more, for nobody."""
        await self._elsewhere.stop()
        await self._lent.stop()

    async def add(self, endpoint: str, paths: Sequence[ObjectPath], behind: str = "") -> Watch:
        """Begin to watch; raises what an observation raises."""
        self._server.registry.get(endpoint)  # nobody is asked about a device that nobody knows
        place = self._here if self._server.ownership.has(endpoint) else self._elsewhere
        return await place.add(endpoint, paths, behind)

    def end_all(self) -> None:
        """Let every watcher know that nothing more comes."""
        self._here.end_all()
        self._elsewhere.end_all()
