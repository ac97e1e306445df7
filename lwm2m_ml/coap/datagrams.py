"""What the transports over UDP sockets have in common: the socket, addresses, the message layer."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from asyncio import SelectorEventLoop
from typing import TYPE_CHECKING, Any

import structlog

from lwm2m_ml.coap.deduplication import AnswerRing
from lwm2m_ml.coap.drain import Drain
from lwm2m_ml.coap.errors import AddressError, NetworkError, PortInUse
from lwm2m_ml.coap.message_layer import MessageLayer
from lwm2m_ml.coap.remote import Remote, SocketAddress

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Outcome, Transmission
    from lwm2m_ml.coap.requester import Requester
    from lwm2m_ml.coap.responder import Responder
    from lwm2m_ml.coap.settings import CoapSettings

logger = structlog.get_logger(__name__)


class DatagramTransport(asyncio.DatagramProtocol):
    """A bound UDP socket with a message layer; `udp` and `dtls.transport` say what is in the datagrams."""

    __slots__ = (
        "_closed",
        "_family",
        "_transport",
        "bytes_in",
        "bytes_out",
        "layer",
        "local_address",
        "settings",
    )

    scheme = "coap"
    ordered = False
    remote_class: type[Remote] = Remote

    def __init__(self, settings: CoapSettings, requester: Requester, responder: Responder) -> None:
        self.settings = settings
        self._transport: Any = None
        self._family = socket.AF_INET
        self._closed: asyncio.Future[None] | None = None
        self.local_address: tuple[str, int] = ("", 0)
        self.bytes_in = 0
        self.bytes_out = 0
        self.layer = MessageLayer(settings, requester, responder, self.send)

    async def open(self, host: str, port: int) -> None:
        """Open the socket; port 0 picks a free one, a port that another socket has is refused."""
        loop = asyncio.get_running_loop()
        bound = await _open_socket(host, port, self.settings)
        try:
            if not (self.settings.batches and await self._open_batches(bound)):
                await loop.create_datagram_endpoint(lambda: self._reader(loop, bound), sock=bound)
        except BaseException:
            bound.close()
            raise

    async def _open_batches(self, bound: socket.socket) -> bool:
        """Move many datagrams per system call, where this machine can."""
        from lwm2m_ml.coap.batches import library  # noqa: PLC0415  # only loaded when it is used
        from lwm2m_ml.coap.batches.transport import BatchTransport  # noqa: PLC0415

        try:
            loaded = await asyncio.to_thread(library.load)
        except library.BatchesUnavailable as error:
            logger.info("datagrams move one by one", reason=error.message)
            return False
        BatchTransport(loaded, bound, self, self.settings.maximum_datagram)
        return True

    def _reader(self, loop: asyncio.AbstractEventLoop, bound: socket.socket) -> asyncio.DatagramProtocol:
        """Who takes datagrams from the loop; those of asyncio itself would give one in a turn."""
        return Drain(self, bound, self.settings.maximum_datagram) if isinstance(loop, SelectorEventLoop) else self

    # asyncio.DatagramProtocol

    def connection_made(self, transport: Any) -> None:
        """The socket is ready."""
        self._transport = transport
        name = transport.get_extra_info("sockname")
        self.local_address = (name[0], name[1])
        self._family = transport.get_extra_info("socket").family
        # asyncio maps a fresh buffer of this size for every datagram; one byte more than allowed shows truncation.
        with contextlib.suppress(AttributeError):
            transport.max_size = self.settings.maximum_datagram + 1

    def error_received(self, exc: Exception) -> None:
        """A datagram could not be sent: as good as lost, and no reason to write a line for each."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    # Sending

    def send(self, datagram: bytes, remote: Remote) -> None:
        """Send a CoAP message to a peer; never raises, loss is ordinary."""
        remote.bytes_out += len(datagram)
        if remote.listener is not None:
            remote.listener(False, datagram)
        self.send_datagram(datagram, remote.socket_address)

    def send_datagram(self, datagram: bytes, address: SocketAddress) -> None:
        """Put bytes on the wire."""
        if not self._transport.is_closing():
            self.bytes_out += len(datagram)
            self._transport.sendto(datagram, address)

    def transmit(
        self, remote: Remote, code: int, token: bytes, tail: bytes, *, confirmable: bool, outcome: Outcome
    ) -> Transmission:
        """Send a message of our own through the message layer."""
        return self.layer.transmit(remote, code, token, tail, confirmable=confirmable, outcome=outcome)

    # Peers

    def owns(self, remote: Remote) -> bool:
        """Whether the peer is one of this transport's."""
        return remote.channel is self

    def new_remote(self, address: SocketAddress, identity: str | None = None) -> Remote:
        """A peer that was not known before."""
        settings = self.settings
        return self.remote_class(
            self,
            address,
            scheme=self.scheme,
            answers=AnswerRing(settings.deduplicated_messages, settings.exchange_lifetime),
            block_size_exponent=settings.block_size_exponent,
            maximum_body=max(settings.maximum_response_body, settings.maximum_request_body),
            identity=identity,
        )

    def socket_address(self, host: str, port: int) -> SocketAddress:
        """The address as this socket tells it of arriving datagrams."""
        if _is_ipv4(host):  # the usual one, a hundred thousand times when a server starts
            return (host, port) if self._family == socket.AF_INET else (f"::ffff:{host}", port, 0, 0)
        literal, _, scope = host.partition("%")
        try:
            address = ipaddress.ip_address(literal)
        except ValueError:
            raise AddressError(f"{host!r} is not an IP address", hint="Resolve the name first") from None
        if self._family == socket.AF_INET:
            if address.version != 4:
                raise AddressError(f"{host} cannot be reached from an IPv4 socket")
            return (str(address), port)
        text = f"::ffff:{address}" if address.version == 4 else str(address)
        return (text, port, 0, socket.if_nametoindex(scope) if scope else 0)

    async def resolve_address(self, host: str, port: int) -> SocketAddress:
        """The address behind a host name or an IP address."""
        try:
            return self.socket_address(host, port)
        except AddressError:
            loop = asyncio.get_running_loop()
            try:
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM, family=self._resolvable())
            except OSError as error:
                raise AddressError(f"The host name {host!r} cannot be resolved: {error.strerror}") from error
            return self.socket_address(str(found[0][4][0]), port)

    def _resolvable(self) -> int:
        return socket.AF_INET if self._family == socket.AF_INET else socket.AF_UNSPEC

    async def close(self) -> None:
        """Close the socket and wait until it is closed."""
        self.layer.close()
        if self._transport.is_closing():
            return
        self._closed = asyncio.get_running_loop().create_future()
        self._transport.close()
        await self._closed


def _is_ipv4(host: str) -> bool:
    """Whether a text is an IPv4 address, in the one form there is of it."""
    try:
        socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True


async def _open_socket(host: str, port: int, settings: CoapSettings) -> socket.socket:
    """A bound, non-blocking socket that shares its port with nobody.

    Without SO_REUSEPORT and SO_REUSEADDR of our own, the kernel refuses a port that any other socket has, even one
    that would share it; two servers would take turns in losing each other's datagrams.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressError(f"The host name {host!r} cannot be resolved: {error.strerror}") from error
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setblocking(False)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, settings.receive_buffer)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _bind_error(error, host, port) from error
    return bound


def _bind_error(error: OSError, host: str, port: int) -> NetworkError | PortInUse:
    if error.errno == errno.EADDRINUSE:
        return PortInUse(f"UDP port {port} of {host} is in use", hint="Stop the other program or choose another port")
    return NetworkError(f"UDP port {port} of {host} cannot be opened: {error.strerror}")
