"""CoAP over TCP and TLS: listens, connects, and knows its connections."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lwm2m_ml.coap.deduplication import AnswerRing
from lwm2m_ml.coap.errors import AddressError, HandshakeFailed, NetworkError, PortInUse, RequestTimeout
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.coap.tcp.connection import TcpConnection
from lwm2m_ml.coap.tcp.tls import TlsSettings

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls.credentials import ServerCredential
    from lwm2m_ml.coap.requester import Requester
    from lwm2m_ml.coap.responder import Responder
    from lwm2m_ml.coap.settings import CoapSettings

__all__ = ["TcpTransport", "TlsSettings"]


class TcpTransport:
    """All connections of one kind, plain or TLS, incoming and outgoing."""

    __slots__ = (
        "_connections",
        "_server",
        "_stop_pipes",
        "_tls",
        "bytes_in",
        "bytes_out",
        "local_address",
        "loop",
        "requester",
        "responder",
        "scheme",
        "settings",
    )

    ordered = True

    def __init__(
        self,
        settings: CoapSettings,
        requester: Requester,
        responder: Responder,
        stop_pipes: Callable[[Remote], None],
        tls: TlsSettings | None = None,
    ) -> None:
        self.settings = settings
        self.requester = requester
        self.responder = responder
        self.loop = asyncio.get_running_loop()
        self.scheme = "coap+tcp" if tls is None else "coaps+tcp"
        self.local_address: tuple[str, int] = ("", 0)
        self.bytes_in = 0
        self.bytes_out = 0
        self._stop_pipes = stop_pipes
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: dict[Remote | TcpConnection, TcpConnection] = {}

    async def open(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one."""
        context = None if self._tls is None else self._tls.server
        try:
            self._server = await self.loop.create_server(self.connection, host, port, ssl=context, reuse_port=False)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"TCP port {port} of {host} is in use", hint="Choose another port") from error
            raise NetworkError(f"TCP port {port} of {host} cannot be opened: {error.strerror}") from error
        name = self._server.sockets[0].getsockname()
        self.local_address = (name[0], name[1])

    def connection(self, credential: ServerCredential | None = None) -> TcpConnection:
        """What speaks on a new stream."""
        return TcpConnection(self, credential)

    # What connections ask for

    def admit(self, connection: TcpConnection) -> bool:
        """Whether there is room for one more connection."""
        if len(self._connections) >= self.settings.maximum_connections:
            return False
        self._connections[connection] = connection
        return True

    def new_remote(self, connection: TcpConnection, transport: Any) -> Remote | None:
        """The peer of a connection; None when TLS wants an identity and the peer has none."""
        identity = None
        if self._tls is not None:
            identity = self._tls.identity(transport, connection.credential)
            if identity is None:
                return None
        settings = self.settings
        remote = Remote(
            connection,
            tuple(transport.get_extra_info("peername")),
            scheme=self.scheme,
            answers=AnswerRing(0, 0.0),
            block_size_exponent=settings.block_size_exponent,
            maximum_body=max(settings.maximum_response_body, settings.maximum_request_body),
            identity=identity,
        )
        remote.proven = True
        return remote

    def lost(self, connection: TcpConnection) -> None:
        """A connection has ended."""
        self._connections.pop(connection, None)
        remote = connection.remote
        if remote is not None and remote.channel is connection:
            self.requester.fail_all(remote, NetworkError(f"The connection to {remote.hostinfo} ended"))
            self._stop_pipes(remote)

    # What the endpoint asks for

    async def resolve(self, host: str, port: int) -> Remote:
        """The peer at a host, connecting to it when there is no connection yet."""
        for connection in self._connections.values():
            if connection.remote is not None and connection.remote.address == (host, port):
                return await asyncio.shield(connection.ready)
        context: ssl.SSLContext | None = None
        credential: ServerCredential | None = None
        if self._tls is not None:
            context, credential = self._tls.client_for(host, port)
        name = (credential.server_name if credential is not None else "") or host
        try:
            async with asyncio.timeout(self.settings.csm_timeout):
                _, made = await self.loop.create_connection(
                    lambda: self.connection(credential),
                    host,
                    port,
                    ssl=context,
                    server_hostname=name if context else None,
                )
                return await asyncio.shield(made.ready)
        except ssl.SSLError as error:
            raise HandshakeFailed(f"No TLS session with {host}:{port}: {error.reason}") from error
        except TimeoutError:
            raise RequestTimeout(f"{host}:{port} did not accept a connection in time") from None
        except OSError as error:
            if context is not None and isinstance(error, ConnectionAbortedError | ConnectionResetError):
                raise HandshakeFailed(f"{host}:{port} ended the TLS handshake") from error
            raise AddressError(f"No connection to {host}:{port}: {error.strerror or error}") from error

    def owns(self, remote: Remote) -> bool:
        """Whether the peer has a connection here."""
        return isinstance(remote.channel, TcpConnection) and remote.channel in self._connections

    def move(self, remote: Remote, new: Remote) -> None:
        """The connection of `new` carries `remote` from now on."""
        connection = new.channel
        if isinstance(connection, TcpConnection):
            connection.remote = remote
            remote.channel = connection
            remote.socket_address = new.socket_address

    def drop_identity(self, identity: str) -> None:
        """End the connections of an identity."""
        for connection in list(self._connections.values()):
            if connection.remote is not None and connection.remote.identity == identity:
                connection.abort("The credential is gone")

    async def close(self) -> None:
        """Release every connection and stop listening."""
        if self._server is not None:
            self._server.close()
        connections = list(self._connections.values())
        for connection in connections:
            connection.release()
        if connections:
            done, late = await asyncio.wait(
                [connection.closed for connection in connections], timeout=self.settings.close_timeout
            )
            del done
            for connection in connections:
                if connection.closed in late:
                    connection.cut()
        if self._server is not None:
            await self._server.wait_closed()
