"""CoAP over TCP and TLS of a device: its bytes take as long as the radio's path would have them."""

import asyncio
import functools
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

from lwm2m_ml.coap.tcp.connection import TcpConnection
from lwm2m_ml.coap.tcp.transport import TcpTransport
from lwm2m_ml_simulator.network.radio import DOWN, UP, Radio
from lwm2m_ml_simulator.network.stream import StreamLink


class _Pipe:
    """One direction: hands pieces on when they are there, in their order."""

    def __init__(self, radio: Radio, direction: str, serial: int, sink: Callable[[bytes], None]) -> None:
        self._radio = radio
        self._direction = direction
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._link = StreamLink(lambda: radio.conditions, f"{direction} stream {serial} {radio.settings.seed}")
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.waiting_bytes = 0
        if not radio.conditions.perfect:
            radio.opens_stream(direction, self._link.open(self._loop.time()))

    def put(self, data: bytes) -> None:
        """Send these bytes on their way."""
        now, start = self._loop.time(), 0
        for segment in self._link.carry(len(data), now):
            self._radio.streams(self._direction, segment)
            self._later(now + segment.delay, self._arrival(data[start : start + segment.size]))
            start += segment.size

    def after_all(self, work: Callable[[], None]) -> None:
        """Do this when everything before has arrived."""
        self._later(self._waiting[-1][0] if self._waiting else 0.0, work)

    def drop(self) -> None:
        """Let nothing more arrive."""
        self._waiting.clear()
        self.waiting_bytes = 0
        if self._timer is not None:
            self._timer.cancel()

    def _arrival(self, piece: bytes) -> Callable[[], None]:
        self.waiting_bytes += len(piece)

        def arrive() -> None:
            self.waiting_bytes -= len(piece)
            self._sink(piece)

        return arrive

    def _later(self, when: float, work: Callable[[], None]) -> None:
        if not self._waiting and when <= self._loop.time():
            work()
            return
        self._waiting.append((when, work))
        if len(self._waiting) == 1:
            self._timer = self._loop.call_at(when, self._due)

    def _due(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._loop.time():
            # What is done may put more into the pipe, or close it; so it stays at the head until it is done.
            self._waiting[0][1]()
            if self._waiting:
                self._waiting.popleft()
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._due)


class _SlowTransport:
    """What a connection writes to: the bytes of the device leave through its radio."""

    def __init__(self, transport: Any, pipe: _Pipe) -> None:
        self._transport = transport
        self._pipe = pipe
        self._closing = False

    def write(self, data: bytes) -> None:
        """Send."""
        self._pipe.put(data)

    def close(self) -> None:
        """End the stream after what was written."""
        self._closing = True
        self._pipe.after_all(self._transport.close)

    def abort(self) -> None:
        """End the stream at once."""
        self._closing = True
        self._pipe.drop()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether the stream ends or has ended."""
        return self._closing or self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        """How many bytes have not left."""
        return self._pipe.waiting_bytes + int(self._transport.get_write_buffer_size())

    def get_extra_info(self, name: str) -> Any:
        """What is known of the stream."""
        return self._transport.get_extra_info(name)


class _RadioConnection(TcpConnection):
    """A connection whose bytes go through a radio."""

    __slots__ = ("_down", "_radio", "_serial", "_up")

    def __init__(self, owner: "RadioTcp", *credential: Any) -> None:
        super().__init__(owner, *credential)
        self._radio, self._serial = owner.radio, owner.next_serial()
        self._up: _Pipe | None = None
        self._down: _Pipe | None = None

    def connection_made(self, transport: Any) -> None:
        """The stream is open."""
        self._up = _Pipe(self._radio, UP, self._serial, transport.write)
        self._down = _Pipe(self._radio, DOWN, self._serial, super().data_received)
        super().connection_made(_SlowTransport(transport, self._up))

    def data_received(self, data: bytes) -> None:
        """Bytes are on their way to the device."""
        if self._down is not None:
            self._down.put(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream has ended: what was on its way to the device still comes, what it sent reaches nobody."""
        if self._up is None or self._down is None:
            super().connection_lost(exc)
            return
        self._up.drop()
        self._down.after_all(functools.partial(super().connection_lost, exc))


class RadioTcp(TcpTransport):
    """All connections of a device, plain or TLS. A TLS handshake takes no time of the path."""

    __slots__ = ("_serials", "radio")

    def __init__(self, radio: Radio, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.radio = radio
        self._serials = itertools.count(1)

    def next_serial(self) -> int:
        """The number of the next connection."""
        return next(self._serials)

    def connection(self, *credential: Any) -> TcpConnection:
        """Make a connection."""
        return _RadioConnection(self, *credential)
