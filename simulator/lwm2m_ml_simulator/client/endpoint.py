"""The CoAP endpoint of a device: the ordinary one, with a radio between its transports and the network."""

from lwm2m_ml.coap.datagrams import DatagramTransport
from lwm2m_ml.coap.dtls.credentials import CredentialLookup
from lwm2m_ml.coap.dtls.transport import DtlsTransport
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.remote import SocketAddress
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.coap.udp import UdpTransport
from lwm2m_ml_simulator.client.site import DeviceSite
from lwm2m_ml_simulator.network.radio import Radio

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
    """Lets the radio decide of every datagram."""

    __slots__ = ()
    radio: Radio

    def datagram_received(self, data: bytes, addr: SocketAddress) -> None:
        """A datagram is in the air."""
        if self.radio.hears(len(data)):
            super().datagram_received(data, addr)

    def send_datagram(self, datagram: bytes, address: SocketAddress) -> None:
        """Put a datagram into the air."""
        if self.radio.sends(len(datagram)):
            super().send_datagram(datagram, address)


class _RadioUdp(_OverRadio, UdpTransport):
    __slots__ = ("radio",)


class _RadioDtls(_OverRadio, DtlsTransport):
    __slots__ = ("radio",)


class DeviceEndpoint(CoapEndpoint):
    """An endpoint whose datagrams go through a radio. Streams over TCP know neither loss nor sleep."""

    __slots__ = ("radio",)

    def __init__(self, site: DeviceSite, radio: Radio) -> None:
        super().__init__(site=site, settings=DEVICE_SETTINGS)
        self.radio = radio

    @property
    def schemes(self) -> frozenset[str]:
        """The URI schemes that this endpoint speaks."""
        return frozenset(self._transports)

    async def open_udp(self, host: str) -> tuple[str, int]:
        """Speak plain CoAP, on a free port."""
        return await self._open(_RadioUdp(self.settings, self._requester, self._responder), host)

    async def open_dtls(self, host: str, credentials: CredentialLookup) -> tuple[str, int]:
        """Speak CoAP over DTLS, on a free port."""
        return await self._open(_RadioDtls(self.settings, self._requester, self._responder, credentials), host)

    async def _open(self, transport: _RadioUdp | _RadioDtls, host: str) -> tuple[str, int]:
        transport.radio = self.radio
        await transport.open(host, 0)
        self._transports[transport.scheme] = transport
        return transport.local_address
