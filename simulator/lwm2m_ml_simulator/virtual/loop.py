"""An asyncio event loop on virtual time: where everybody waits, the clock jumps to the next moment that matters.

Whatever happens outside the loop takes no virtual time: while a thread or another process works for somebody here, the
clock stands still. Datagrams between sockets of this loop stay in memory (`datagrams`). Streams go through the kernel;
they get a moment of real time to arrive before each jump, so they work, but their order is the kernel's.
"""

import asyncio
import selectors
import socket
import sys
from asyncio.futures import wrap_future
from collections.abc import Callable, Mapping
from typing import Any

from lwm2m_ml_simulator.virtual.clock import VirtualClock
from lwm2m_ml_simulator.virtual.datagrams import MemoryNetwork

_STREAMS_SETTLE = 0.002
_LOOK_AROUND = 1.0
# Futures made here are finished by threads: those of executors, and those of aiosqlite.
_WRAP_FUTURE = wrap_future.__code__
_THREADED = frozenset({"aiosqlite.core", "aiosqlite.cursor", "aiosqlite.context"})


class _JumpingSelector(selectors.BaseSelector):
    """Instead of waiting for a timer it moves the clock; it waits really for what happens outside."""

    def __init__(self, clock: VirtualClock, works_outside: Callable[[], bool]) -> None:
        self._real = selectors.DefaultSelector()
        self._clock = clock
        self._works_outside = works_outside

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; where nothing is and nobody works outside, let the time pass."""
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self._works_outside():
            return self._real.select(_LOOK_AROUND)
        # The loop's own wake-up pipe is always there.
        if len(self._real.get_map()) > 1:
            ready = self._real.select(_STREAMS_SETTLE)
            if ready:
                return ready
        self._clock.advance(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch a file no more."""
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file for something else."""
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return what is watched."""
        return self._real.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """Return how a file is watched."""
        return self._real.get_key(fileobj)

    def close(self) -> None:
        """Watch nothing more."""
        self._real.close()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The event loop of a simulation that does not wait."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._outside: set[asyncio.Future[Any]] = set()
        self._watched: list[Callable[[], bool]] = []
        super().__init__(_JumpingSelector(clock, self._works_outside))
        self.network = MemoryNetwork(self)

    def time(self) -> float:
        """Return the seconds of virtual time since the loop began."""
        return self.clock.elapsed

    def watch(self, works: Callable[[], bool]) -> None:
        """Let the clock stand still also while `works` says so."""
        self._watched.append(works)

    def _works_outside(self) -> bool:
        return bool(self._outside) or any(works() for works in self._watched)

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future; one that a thread will finish keeps the clock from moving."""
        future = super().create_future()
        caller = sys._getframe(1)
        if caller.f_code is _WRAP_FUTURE or caller.f_globals.get("__name__") in _THREADED:
            self._outside.add(future)
            future.add_done_callback(self._outside.discard)
        return future

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> list[Any]:
        """Resolve at once: a thread for an address that is a number already would only disturb the order."""
        return socket.getaddrinfo(host, port, **options)

    async def create_datagram_endpoint(
        self, protocol_factory: Callable[[], Any], *arguments: Any, sock: socket.socket | None = None, **options: Any
    ) -> tuple[asyncio.DatagramTransport, Any]:
        """Keep datagrams of a bound socket in memory; other endpoints are the kernel's."""
        if sock is None:
            made: tuple[asyncio.DatagramTransport, Any] = await super().create_datagram_endpoint(
                protocol_factory, *arguments, **options
            )
            return made
        protocol = protocol_factory()
        return self.network.attach(protocol, sock), protocol
