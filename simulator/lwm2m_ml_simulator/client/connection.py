"""The way of a client to one server."""

import asyncio
import ipaddress
import socket

from aiocoap import Message

from lwm2m_ml.coap.errors import RequestTimeout
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.bootstrap import SecurityMode
from lwm2m_ml_simulator.client.credentials import AccountCredentials, tls_settings
from lwm2m_ml_simulator.client.endpoint import DeviceEndpoint
from lwm2m_ml_simulator.client.server_uri import ServerUri
from lwm2m_ml_simulator.objects.security import Security

_WITH_SESSIONS = frozenset({"coaps", "coaps+tcp"})


class ServerConnection:
    """Requests to one server; the connection is made, and made again, when it is needed."""

    def __init__(self, coap: DeviceEndpoint, uri: ServerUri) -> None:
        self.uri = uri
        self.remote: Remote | None = None
        self._coap = coap

    async def connect(self) -> Remote:
        """Return the server as a peer, after a handshake where there is one; raises CoapError."""
        self.remote = await self._coap.connect(self.uri.scheme, self.uri.host, self.uri.port)
        return self.remote

    async def request(self, message: Message, patience: float | None = None) -> Message:
        """Ask the server; raises CoapError."""
        message.remote = remote = await self.connect()
        try:
            return await self._coap.request(message, timeout=patience)
        except RequestTimeout:
            # A server that was restarted knows nothing of the session: the next request begins another one.
            if self.uri.scheme in _WITH_SESSIONS and remote.identity is not None:
                self._coap.drop_identity(remote.identity)
            raise


async def listen(coap: DeviceEndpoint, account: Security, host: str | None, credentials: AccountCredentials) -> None:
    """Open the transport that an account needs, if it is not open yet."""
    uri = ServerUri.parse(account.server_uri)
    if uri.scheme in coap.schemes:
        return
    where = host or local_host(await resolve(uri))
    match uri.scheme:
        case "coap":
            await coap.open_udp(where)
        case "coaps":
            await coap.open_dtls(where, credentials, raw_keys=account.mode is SecurityMode.RAW_PUBLIC_KEY)
        case "coap+tcp":
            await coap.listen_tcp(where, 0)
        case _:
            await coap.listen_tls(where, 0, tls_settings(account))


async def resolve(uri: ServerUri) -> str:
    """Return the IP address of a server."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(uri.host, uri.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise UsageError(f"the LwM2M server {uri.host!r} cannot be found", hint=str(error)) from error
    return str(found[0][4][0])


def local_host(server: str) -> str:
    """Return where to listen, so that this server can be reached and nobody else without need."""
    address = ipaddress.ip_address(server)
    if address.is_loopback:
        return server if address.version == 6 else "127.0.0.1"
    return "::" if address.version == 6 else "0.0.0.0"  # noqa: S104 - a device is there to be reached by its server
