"""UDP inside one process: datagrams from one bound socket to another, without the kernel and in a fixed order."""

import asyncio
import socket
from typing import Any

Address = tuple[Any, ...]


class MemoryNetwork:
    """All sockets of one event loop by address. What is sent to nobody is lost, as UDP is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._bound: dict[tuple[str, int], MemoryDatagrams] = {}

    def attach(self, protocol: asyncio.DatagramProtocol, bound: socket.socket) -> "MemoryDatagrams":
        """Give a bound socket to a protocol."""
        transport = MemoryDatagrams(self._loop, self, protocol, bound)
        self._bound[transport.address] = transport
        protocol.connection_made(transport)
        return transport

    def detach(self, transport: "MemoryDatagrams") -> None:
        """Forget a socket that is closed."""
        self._bound.pop(transport.address, None)

    def carry(self, data: bytes, source: Address, target: Address) -> None:
        """Bring a datagram to its socket."""
        receiver = self._bound.get((target[0], target[1]))
        if receiver is not None:
            self._loop.call_soon(receiver.receive, data, source)


class MemoryDatagrams(asyncio.DatagramTransport):
    """The transport of one protocol. Its real socket stays bound, so that its port is nobody else's, and idle."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        network: MemoryNetwork,
        protocol: asyncio.DatagramProtocol,
        bound: socket.socket,
    ) -> None:
        name = bound.getsockname()
        super().__init__({"socket": bound, "sockname": name})
        self.address: tuple[str, int] = (name[0], name[1])
        self._name = name
        self._loop = loop
        self._network = network
        self._protocol = protocol
        self._socket = bound
        self._closing = False

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send one datagram."""
        if addr is not None and not self._closing:
            self._network.carry(bytes(data), self._name, addr)

    def receive(self, data: bytes, source: Address) -> None:
        """One datagram has arrived."""
        if not self._closing:
            self._protocol.datagram_received(data, source)

    def is_closing(self) -> bool:
        """Whether the socket is closed or about to be."""
        return self._closing

    def close(self) -> None:
        """Close the socket."""
        if self._closing:
            return
        self._closing = True
        self._network.detach(self)
        self._socket.close()
        self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """Close the socket at once."""
        self.close()
