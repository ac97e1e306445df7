"""Events of all nodes: each puts its own into a stream, many in a message, and hears those of the others from it."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable

import structlog
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy, DiscardPolicy, RetentionPolicy, StreamConfig

from lwm2m_ml.bus import Bus
from lwm2m_ml.cluster import event_codec
from lwm2m_ml.cluster.endings import end

STREAM, SUBJECT = "LWM2M_EVENTS", "lwm2m.events"
KEPT_SECONDS = 3_600.0
KEPT_BYTES = 256 << 20
GATHER_SECONDS = 0.02
AT_ONCE = 256
WAITING = 50_000
AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)


class EventRelay:
    """Between this node's bus and the stream, from `start()` to `stop()`."""

    def __init__(
        self,
        stream: JetStreamContext,
        bus: Bus,
        node: str,
        resync: Callable[[], Awaitable[None]],
        *,
        maximum_bytes: int,
    ) -> None:
        """`resync` is called when events of others may have been missed; no message is larger than `maximum_bytes`."""
        self._maximum_bytes = maximum_bytes
        self._stream = stream
        self._bus = bus
        self._node = node
        self._resync = resync
        self._waiting: deque[object] = deque(maxlen=WAITING)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._subscription: JetStreamContext.PushSubscription | None = None
        self._expected = 0

    async def start(self) -> None:
        """Join."""
        await self._stream.add_stream(
            StreamConfig(
                STREAM,
                subjects=[f"{SUBJECT}.>"],
                retention=RetentionPolicy.LIMITS,
                discard=DiscardPolicy.OLD,
                max_age=KEPT_SECONDS,
                max_bytes=KEPT_BYTES,
            )
        )
        await self.listen()
        self._bus.relay = self._published
        self._task = asyncio.create_task(self._send(), name="event relay")

    async def listen(self) -> None:
        """Hear what is put into the stream from now on; what came before is in the store."""
        if self._subscription is not None:
            with contextlib.suppress(Error):  # the server may not know it any more
                await self._subscription.unsubscribe()
        self._expected = 0
        self._subscription = await self._stream.subscribe(
            f"{SUBJECT}.>", ordered_consumer=True, deliver_policy=DeliverPolicy.NEW, cb=self._received
        )

    async def stop(self) -> None:
        """Leave."""
        self._bus.relay = None
        await end([self._task])

    def _published(self, event: object) -> None:
        if event_codec.is_for_all(event):
            self._waiting.append(event)
            self._news.set()

    async def _send(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_SECONDS)
            events, message = self._take()
            try:
                if events:
                    await self._stream.publish(f"{SUBJECT}.{self._node}", message)
            except (Error, OSError, TimeoutError) as error:
                log.warning("other nodes are not told of events", events=len(events), reason=str(error))
                self._waiting.extendleft(reversed(events[: WAITING - len(self._waiting)]))
                await asyncio.sleep(AGAIN_SECONDS)
            if not self._waiting:
                self._news.clear()

    def _take(self) -> tuple[list[object], bytes]:
        """As many of those that wait as go into one message, and that message."""
        events: list[object] = []
        parts: list[bytes] = []
        room = self._maximum_bytes - len("[]")
        while self._waiting and len(events) < AT_ONCE:
            part = json.dumps(event_codec.encode(self._waiting[0])).encode()
            if len(part) > self._maximum_bytes - len("[]"):
                kind = type(self._waiting.popleft()).__name__
                log.error("an event is too large to tell other nodes: raise max_payload of NATS", event_type=kind)
                continue
            if len(part) > room:
                break
            events.append(self._waiting.popleft())
            parts.append(part)
            room -= len(part) + len(",")
        return events, b"[" + b",".join(parts) + b"]"

    async def _received(self, message: Msg) -> None:
        await self._count(message.metadata.sequence.stream)
        if message.subject == f"{SUBJECT}.{self._node}":
            return
        for document in json.loads(message.data):
            try:
                event = event_codec.decode(document)
            except (KeyError, ValueError) as error:
                log.debug("an event of another release", reason=str(error))
            else:
                self._bus.deliver(event)

    async def _count(self, number: int) -> None:
        """Notice a gap in the stream: the oldest messages go when it is full."""
        missed = self._expected and number > self._expected
        self._expected = number + 1
        if missed:
            log.warning("events of other nodes were missed")
            await self._resync()
