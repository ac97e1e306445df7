"""Which other nodes have a lease, looked at every few seconds: of one that has none any more the bus is told."""

import asyncio

import structlog
from nats.errors import Error
from nats.js import JetStreamContext

from lwm2m_ml.bus import Bus, ProcessLost
from lwm2m_ml.cluster.endings import end

LOOK_SECONDS = 1.0
LOOKS_BEFORE_LOST = 3
"""A node that has just come back from a loss of NATS renews its lease a moment later than others see."""

log = structlog.get_logger(__name__)


class Peers:
    """Looks from `start()` to `stop()`."""

    def __init__(self, stream: JetStreamContext, bucket: str, bus: Bus) -> None:
        """`bucket` is that of the leases: its keys are nodes."""
        self._stream = stream
        self._bucket = bucket
        self._bus = bus
        self._missed: dict[str, int] = {}
        """Of each node that is known: how often in a row it was not there."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._look_again_and_again(), name="peers")

    @property
    def present(self) -> tuple[str, ...]:
        """The nodes that had a lease when this one looked last, itself among them."""
        return tuple(node for node, missed in self._missed.items() if not missed)

    async def stop(self) -> None:
        """Look no more."""
        await end([self._task])

    async def _look_again_and_again(self) -> None:
        while True:
            try:
                self._note(await self._nodes())
            except (Error, OSError, TimeoutError) as error:
                log.debug("other nodes are not seen", reason=str(error) or type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def _nodes(self) -> frozenset[str]:
        found = await self._stream.stream_info(f"KV_{self._bucket}", subjects_filter=">")
        return frozenset(subject.rpartition(".")[2] for subject in found.state.subjects or ())

    def _note(self, nodes: frozenset[str]) -> None:
        for node in nodes:
            self._missed[node] = 0
        for node in self._missed.keys() - nodes:
            self._missed[node] += 1
            if self._missed[node] >= LOOKS_BEFORE_LOST:
                del self._missed[node]
                log.warning("a node is gone", node=node)
                self._bus.publish(ProcessLost(node))
