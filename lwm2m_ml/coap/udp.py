"""CoAP over plain UDP (RFC 7252 §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lwm2m_ml.coap.datagrams import DatagramTransport
from lwm2m_ml.coap.remotes import RemoteTable
from lwm2m_ml.coap.sweep import Sweep

if TYPE_CHECKING:
    from lwm2m_ml.coap.remote import Remote, SocketAddress
    from lwm2m_ml.coap.requester import Requester
    from lwm2m_ml.coap.responder import Responder
    from lwm2m_ml.coap.settings import CoapSettings


class UdpTransport(DatagramTransport):
    """Every datagram is a message; a peer is whoever speaks from an address."""

    __slots__ = ("_sweep", "remotes")

    scheme = "coap"

    def __init__(self, settings: CoapSettings, requester: Requester, responder: Responder) -> None:
        super().__init__(settings, requester, responder)
        self.remotes = RemoteTable(self.new_remote, settings.maximum_remotes)
        self._sweep = Sweep(self.remotes.all)

    async def open(self, host: str, port: int) -> None:
        """Open the socket, and forget old answers from then on."""
        await super().open(host, port)
        self._sweep.start()

    async def close(self) -> None:
        """Close the socket and wait until it is closed."""
        self._sweep.stop()
        await super().close()

    def datagram_received(self, data: bytes, addr: SocketAddress) -> None:
        """One message."""
        size = len(data)
        remote = self.remotes.get(addr)
        remote.bytes_in += size
        self.bytes_in += size
        if size > self.settings.maximum_datagram:
            self.layer.refuse_too_large(data, remote)
        else:
            self.layer.receive(data, remote)

    def remote(self, host: str, port: int) -> Remote:
        """The peer at an IP address."""
        return self.remotes.get(self.socket_address(host, port))

    async def resolve(self, host: str, port: int) -> Remote:
        """The peer behind a host name or an IP address."""
        return self.remotes.get(await self.resolve_address(host, port))

    def drop_identity(self, identity: str) -> None:
        """Plain CoAP has no identities."""

    def move(self, remote: Remote, new: Remote) -> None:
        """Datagrams from the address of `new` belong to `remote` from now on."""
        self.remotes.move(remote, new.socket_address)
