"""Reads all datagrams that wait at a socket: asyncio takes one in a turn of its loop, and a turn takes long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    from lwm2m_ml.coap.remote import SocketAddress

MOST_DATAGRAMS = 64
"""Datagrams in one turn of the loop; then others get theirs."""


class Drain(asyncio.DatagramProtocol):
    """Stands between asyncio's transport and a protocol."""

    def __init__(self, protocol: asyncio.DatagramProtocol, sock: socket.socket, largest_datagram: int) -> None:
        self._protocol = protocol
        self._socket = sock
        self._size = largest_datagram + 1  # one byte more than allowed shows truncation
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Pass it on."""
        self._transport = transport
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._protocol.connection_lost(exc)

    def error_received(self, exc: Exception) -> None:
        """Pass it on."""
        self._protocol.error_received(exc)

    def datagram_received(self, data: bytes, addr: SocketAddress) -> None:
        """Hand on a datagram, and those that wait behind it."""
        receive: Any = self._protocol.datagram_received
        receive(data, addr)
        for _ in range(MOST_DATAGRAMS - 1):
            if self._transport.is_closing():
                return
            try:
                data, addr = self._socket.recvfrom(self._size)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._protocol.error_received(error)
                return
            receive(data, addr)
