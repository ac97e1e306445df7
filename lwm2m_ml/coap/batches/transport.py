"""A datagram transport like asyncio's that receives and sends many datagrams per system call."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from lwm2m_ml.coap.batches.library import LARGEST_BATCH, NAME_BYTES

if TYPE_CHECKING:
    from lwm2m_ml.coap.remote import SocketAddress

MAXIMUM_UNSENT = 10_000
"""Datagrams that wait for room in the socket's buffer; older ones are lost, as on the way they might be."""
MAXIMUM_NAMES = 200_000
"""Addresses whose two notations are kept."""


class BatchTransport(asyncio.DatagramTransport):
    """Reads when the event loop says so; what is sent meanwhile leaves together afterwards.

    All in one place per socket: 64 receive slots, a quarter of a megabyte. It is for servers, not for devices.
    """

    def __init__(
        self, library: ctypes.PyDLL, sock: socket.socket, protocol: asyncio.DatagramProtocol, largest_datagram: int
    ) -> None:
        super().__init__({"socket": sock, "sockname": sock.getsockname()})
        self._loop = asyncio.get_running_loop()
        self._library = library
        self._socket = sock
        self._descriptor = sock.fileno()
        self._protocol = protocol
        self._slot = largest_datagram + 1  # one byte more than allowed shows truncation
        self._bytes = bytearray(LARGEST_BATCH * self._slot)
        self._lengths = (ctypes.c_uint32 * LARGEST_BATCH)()
        self._names = bytearray(LARGEST_BATCH * NAME_BYTES)
        self._view = memoryview(self._bytes)
        self._addresses: dict[bytes, SocketAddress] = {}
        self._names_of: dict[SocketAddress, bytes] = {}
        self._unsent: deque[tuple[bytes, bytes]] = deque(maxlen=MAXIMUM_UNSENT)
        self._flush_is_due = False
        self._waits_for_room = False
        self._closing = False
        keep = ctypes.c_char * len(self._bytes), ctypes.c_char * len(self._names)
        self._receive_arguments = (
            self._descriptor,
            LARGEST_BATCH,
            ctypes.addressof(keep[0].from_buffer(self._bytes)),
            self._slot,
            ctypes.addressof(self._lengths),
            ctypes.addressof(keep[1].from_buffer(self._names)),
        )
        self._loop.add_reader(self._descriptor, self._read)
        protocol.connection_made(self)

    # Receiving

    def _read(self) -> None:
        received = self._library.receive_batch(*self._receive_arguments)
        if received <= 0:
            if received < 0:
                self._protocol.error_received(OSError(-received, "receiving failed"))
            return
        names = bytes(self._names)
        self._flush_is_due = True  # after the last of these datagrams
        for index in range(received):
            start = index * self._slot
            datagram = self._view[start : start + self._lengths[index]].tobytes()
            name = names[index * NAME_BYTES : (index + 1) * NAME_BYTES]
            try:
                self._protocol.datagram_received(datagram, self._addresses.get(name) or self._learn(name))
            except Exception as error:
                self._loop.call_exception_handler(
                    {"message": "A datagram could not be handled", "exception": error, "transport": self}
                )
            if self._closing:
                return
        self._flush()

    def _learn(self, name: bytes) -> SocketAddress:
        if len(self._addresses) >= MAXIMUM_NAMES:
            self._addresses.clear()
            self._names_of.clear()
        address = _to_address(name)
        self._addresses[name] = address
        self._names_of[address] = name
        return address

    # Sending

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send a datagram, at the latest when the event loop comes round."""
        self._unsent.append((data, self._names_of.get(addr) or _to_name(addr)))
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._closing:
            return
        unsent = self._unsent
        while unsent:
            batch = [unsent.popleft() for _ in range(min(len(unsent), LARGEST_BATCH))]
            done = self._send(batch)
            if done < len(batch):
                unsent.extendleft(reversed(batch[done:]))
                self._flush_is_due = True
                self._wait_for_room()
                return
        if self._waits_for_room:
            self._loop.remove_writer(self._descriptor)
            self._waits_for_room = False

    def _send(self, batch: list[tuple[bytes, bytes]]) -> int:
        contents = [content for content, _ in batch]
        lengths = struct.pack(f"{len(batch)}I", *map(len, contents))
        names = b"".join([name for _, name in batch])
        done: int = self._library.send_batch(self._descriptor, len(batch), b"".join(contents), lengths, names)
        return done

    def _wait_for_room(self) -> None:
        if not self._waits_for_room:
            self._waits_for_room = True
            self._loop.add_writer(self._descriptor, self._flush)

    # The rest of asyncio.DatagramTransport

    def is_closing(self) -> bool:
        """Whether `close` or `abort` was called."""
        return self._closing

    def close(self) -> None:
        """Send what waits, if the socket takes it now, and close the socket."""
        if self._closing:
            return
        self._flush()
        self.abort()

    def abort(self) -> None:
        """Close the socket at once."""
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._loop.call_soon(self._protocol.connection_lost, None)
        self._socket.close()


def _to_address(name: bytes) -> SocketAddress:
    """What Python's sockets make of a `struct sockaddr_in` or `sockaddr_in6`."""
    port = int.from_bytes(name[2:4], "big")
    if int.from_bytes(name[:2], sys.byteorder) == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, name[4:8]), port
    flow, scope = int.from_bytes(name[4:8], "big"), int.from_bytes(name[24:28], sys.byteorder)
    return socket.inet_ntop(socket.AF_INET6, name[8:24]), port, flow, scope


def _to_name(address: SocketAddress) -> bytes:
    """The inverse of `_to_address`."""
    port = int(address[1]).to_bytes(2, "big")
    if len(address) == 2:
        family = int(socket.AF_INET).to_bytes(2, sys.byteorder)
        return (family + port + socket.inet_pton(socket.AF_INET, address[0])).ljust(NAME_BYTES, b"\x00")
    family = int(socket.AF_INET6).to_bytes(2, sys.byteorder)
    flow, scope = int(address[2]).to_bytes(4, "big"), int(address[3]).to_bytes(4, sys.byteorder)
    return family + port + flow + socket.inet_pton(socket.AF_INET6, address[0]) + scope
