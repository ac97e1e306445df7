"""A node's lease: a key that vanishes unless the node renews it. Whoever finds it may rely on the node being there.

The node itself counts its time from before it asked for a renewal and stops acting a while before the server, which
counts from when it was asked, lets others act: what is late between them makes nobody act twice.
"""

import asyncio
import time
from collections.abc import Callable

import structlog
from nats.errors import Error
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from lwm2m_ml.cluster.endings import end

LEASE_SECONDS = 5.0
"""How long a node that is gone keeps what it acted for. The clocks of nodes may run 20 % apart."""
ACTING_SHARE = 0.8
RENEWALS = 5
"""In the time of a lease."""

log = structlog.get_logger(__name__)


class Lease:
    """Kept from `start()` to `stop()`."""

    def __init__(self, bucket: KeyValue, node: str, on_ended: Callable[[], None], *, seconds: float) -> None:
        """`on_ended` is called when it could not be renewed in time."""
        self._bucket = bucket
        self._node = node
        self._on_ended = on_ended
        self._seconds = seconds
        self._until = 0.0
        self._held = False
        self._task: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """Whether this node may act. Asked again each time: a process that was stopped for a while finds out here."""
        return time.monotonic() < self._until

    async def start(self) -> None:
        """Take the lease and keep it."""
        await self._renew()
        self._task = asyncio.create_task(self._keep(), name="lease")

    async def stop(self) -> None:
        """Give it up: others need not wait for its end."""
        await end([self._task])
        self._until = 0.0
        try:
            async with asyncio.timeout(1.0):
                await self._bucket.delete(self._node)
        except (Error, TimeoutError) as error:
            log.info("the lease ends by itself", reason=str(error))

    async def of(self, node: str) -> bool:
        """Whether a node has its lease. Raises `nats.errors.Error`."""
        try:
            await self._bucket.get(node)
        except KeyNotFoundError:
            return False
        return True

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / RENEWALS)
            try:
                await self._renew()
            except (Error, TimeoutError, OSError) as error:
                log.warning("the lease is not renewed", reason=str(error) or type(error).__name__)
            if self._held and not self.held:
                self._held = False
                log.error("the lease has ended: others may act for what this node acted for")
                self._on_ended()

    async def _renew(self) -> None:
        asked_at = time.monotonic()
        if self._held and not self.held:  # it ended while this process did not run
            self._held = False
            self._on_ended()
        async with asyncio.timeout(self._seconds / RENEWALS):
            await self._bucket.put(self._node, b"")
        self._until = asked_at + self._seconds * ACTING_SHARE
        self._held = True
