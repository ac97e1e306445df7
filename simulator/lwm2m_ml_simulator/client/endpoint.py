"""The CoAP endpoint of a device: the ordinary one, with a radio between its transports and the network."""

import asyncio
from collections.abc import Callable

from lwm2m_ml.coap.datagrams import DatagramTransport
from lwm2m_ml.coap.dtls.credentials import CredentialLookup
from lwm2m_ml.coap.dtls.transport import DtlsTransport
from lwm2m_ml.coap.dtls_cid.transport import CidTransport
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.remote import SocketAddress
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.coap.tcp.tls import TlsSettings
from lwm2m_ml.coap.udp import UdpTransport
from lwm2m_ml_simulator.client.site import DeviceSite
from lwm2m_ml_simulator.client.streams import RadioTcp
from lwm2m_ml_simulator.network.radio import DOWN, UP, Radio

Carry = Callable[[bytes, SocketAddress], None]
_PORTS_TRIED = 100
# A device has few peers and little memory; it speaks to the server it was told, so it needs no proof of its address.
DEVICE_SETTINGS = CoapSettings(
    receive_buffer=64 * 1024,
    maximum_remotes=16,
    maximum_sessions=16,
    maximum_connections=16,
    maximum_response_body=64 * 1024,
    assembly_bytes=2 * 1024 * 1024,
    amplification_factor=0,
)


class _OverRadio(DatagramTransport):
    """Lets the radio decide of every datagram, and changes its port where a NAT would."""

    radio: Radio
    host = ""
    passed_at = 0.0
    nat_timer: asyncio.TimerHandle | None = None
    rebinding: asyncio.Task[None] | None = None

    async def bind(self, radio: Radio, host: str) -> None:
        """Open a free port."""
        self.radio, self.host, self.passed_at = radio, host, self.layer.loop.time()
        await self._open_port()

    async def change_port(self, host: str | None = None) -> None:
        """Go on from another port, and perhaps another address; who sends to the old one reaches nobody."""
        former = self._transport
        if former.is_closing():
            return
        self.host = self.host if host is None else host
        await self._open_port()
        former.close()

    async def _open_port(self) -> None:
        """Open a free port that no other device had; where all have been used, any."""
        for _ in range(_PORTS_TRIED):
            await self.open(self.host, 0)
            if self.radio.ports.take(self.local_address, self.radio):
                return
            self._transport.close()
        await self.open(self.host, 0)

    def datagram_received(self, data: bytes, addr: SocketAddress) -> None:
        """A datagram is on its way to the device."""
        for delay in self.radio.approaching(len(data)):
            self._after(delay, self._arrive, data, addr)

    def send_datagram(self, datagram: bytes, address: SocketAddress) -> None:
        """Put a datagram into the air."""
        self._tell(UP, datagram, address)
        for delay in self.radio.sends(len(datagram)):
            self._after(delay, super().send_datagram, datagram, address)

    async def close(self) -> None:
        """Close the socket and wait until it is closed."""
        if self.nat_timer is not None:
            self.nat_timer.cancel()
        await super().close()

    def _arrive(self, data: bytes, addr: SocketAddress) -> None:
        if not self._transport.is_closing() and self.radio.hears(len(data)):
            self._tell(DOWN, data, addr)
            super().datagram_received(data, addr)

    def _after(
        self, delay: float, work: Callable[[bytes, SocketAddress], None], data: bytes, at: SocketAddress
    ) -> None:
        if delay > 0.0:
            self.layer.loop.call_later(delay, work, data, at)
        else:
            work(data, at)

    def _tell(self, direction: str, data: bytes, other: SocketAddress) -> None:
        if self.radio.on_message is not None:
            self.radio.on_message(direction, data, self.local_address, (other[0], other[1]))
        self.passed_at = self.layer.loop.time()
        timeout = self.radio.conditions.nat_timeout
        if timeout is not None and self.nat_timer is None:
            self.nat_timer = self.layer.loop.call_later(timeout, self._forgotten_by_nat)

    def _forgotten_by_nat(self) -> None:
        """Nothing passed for long: the next datagram leaves the NAT by another port."""
        self.nat_timer = None
        loop, timeout = self.layer.loop, self.radio.conditions.nat_timeout
        if timeout is None:
            return
        left = self.passed_at + timeout - loop.time()
        if left > 0.0:
            self.nat_timer = loop.call_later(left, self._forgotten_by_nat)
        else:
            self.rebinding = loop.create_task(self.change_port())


class _RadioUdp(_OverRadio, UdpTransport):
    """Plain CoAP."""


class _RadioDtls(_OverRadio, DtlsTransport):
    """CoAP over DTLS."""


class _RadioCid(_OverRadio, CidTransport):
    """CoAP over DTLS with connection ids: sessions stay when the port changes."""


class DeviceEndpoint(CoapEndpoint):
    """An endpoint whose datagrams and streams go through a radio. Streams know no sleep."""

    __slots__ = ("connection_ids", "radio")

    def __init__(
        self,
        site: DeviceSite | None,
        radio: Radio,
        settings: CoapSettings = DEVICE_SETTINGS,
        *,
        connection_ids: bool = False,
    ) -> None:
        super().__init__(site=site, settings=settings)
        self.radio = radio
        self.connection_ids = connection_ids

    @property
    def schemes(self) -> frozenset[str]:
        """The URI schemes that this endpoint speaks."""
        return frozenset(self._transports)

    async def open_udp(self, host: str) -> tuple[str, int]:
        """Speak plain CoAP, on a free port."""
        return await self._open(_RadioUdp(self.settings, self._requester, self._responder), host)

    async def open_dtls(self, host: str, credentials: CredentialLookup, *, raw_keys: bool = False) -> tuple[str, int]:
        """Speak CoAP over DTLS, on a free port; raw public keys need the DTLS that has connection ids."""
        kind = _RadioCid if raw_keys or self.connection_ids else _RadioDtls
        return await self._open(kind(self.settings, self._requester, self._responder, credentials), host)

    async def change_port(self, host: str | None = None) -> None:
        """Let all datagrams come from another port from now on, and from another address where one is given."""
        for transport in self._transports.values():
            if isinstance(transport, _OverRadio):
                await transport.change_port(host)

    def _stream_transport(self, tls: TlsSettings | None) -> RadioTcp:
        return RadioTcp(self.radio, self.settings, self._requester, self._responder, self._pipes.stop_remote, tls)

    async def _open(self, transport: _RadioUdp | _RadioDtls | _RadioCid, host: str) -> tuple[str, int]:
        await transport.bind(self.radio, host)
        self._transports[transport.scheme] = transport
        return transport.local_address
