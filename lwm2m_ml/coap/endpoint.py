"""The CoAP endpoint: server and client in one, used by the LwM2M server and by every device."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from aiocoap.util import hostportsplit

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.context import EndpointContext, EndpointInterface
from lwm2m_ml.coap.errors import AddressError, EndpointClosed, RequestTimeout
from lwm2m_ml.coap.fast import FastHandlers
from lwm2m_ml.coap.messages import to_message, to_options
from lwm2m_ml.coap.observation import Observation, OnNotification
from lwm2m_ml.coap.pipes import PipeTable
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.coap.requester import OutgoingRequest, Requester
from lwm2m_ml.coap.responder import Responder
from lwm2m_ml.coap.responses import Response
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.coap.transfer import Transfer
from lwm2m_ml.coap.udp import UdpTransport

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiocoap

    from lwm2m_ml.coap.channel import Incoming
    from lwm2m_ml.coap.dtls.credentials import CredentialLookup, OwnCertificate, OwnKey
    from lwm2m_ml.coap.dtls12.connection_ids import ConnectionIds
    from lwm2m_ml.coap.dtls_cid.resting import SessionStates
    from lwm2m_ml.coap.dtls_cid.stored import HolderOf
    from lwm2m_ml.coap.dtls_cid.transport import CidTransport
    from lwm2m_ml.coap.fast import FastRequest
    from lwm2m_ml.coap.oscore import OscoreCredential, OscoreLookup, OscoreStates
    from lwm2m_ml.coap.oscore.layer import OscoreLayer
    from lwm2m_ml.coap.tcp.tls import TlsSettings
    from lwm2m_ml.coap.tcp.transport import TcpTransport

DEFAULT_PORT = 5683
DEFAULT_PORTS = {"coap": 5683, "coaps": 5684, "coap+tcp": 5683, "coaps+tcp": 5684}


class EndpointTransport(Protocol):
    """What the endpoint needs of a way to its peers, `OscoreLayer` included."""

    local_address: tuple[str, int]

    def owns(self, remote: Remote) -> bool:
        """Whether the peer is one of this transport's."""

    async def resolve(self, host: str, port: int) -> Remote:
        """The peer at a host."""

    def move(self, remote: Remote, new: Remote) -> None:
        """Let `remote` take the place of `new`."""

    def drop_identity(self, identity: str) -> None:
        """End the sessions of an identity."""

    async def close(self) -> None:
        """Close sockets and timers."""


class WireTransport(EndpointTransport, Protocol):
    """What it needs of `UdpTransport`, `DtlsTransport`, `CidTransport` and `TcpTransport` besides."""

    bytes_in: int
    bytes_out: int


class CoapEndpoint:
    """One endpoint with any number of transports; `bind` makes the ordinary one, over UDP.

    End it with `close`, or use it as an async context manager.
    """

    __slots__ = (
        "_closing",
        "_context",
        "_interface",
        "_oscore",
        "_pipes",
        "_requester",
        "_responder",
        "_transports",
        "settings",
        "site",
    )

    def __init__(
        self, *, site: Any = None, fast_handlers: FastHandlers | None = None, settings: CoapSettings | None = None
    ) -> None:
        """Make an endpoint that listens nowhere yet.

        `site` is any object with `async render_to_pipe(pipe)`, such as `aiocoap.resource.Site`; it gets the requests
        that no fast handler takes.
        """
        self.settings = settings or CoapSettings()
        self.site = site
        self._requester = Requester(self.settings)
        self._responder = Responder(self.settings, fast_handlers or FastHandlers(), self._render)
        self._pipes = PipeTable(self._responder, self.settings.observed_requests)
        self._transports: dict[str, WireTransport] = {}
        self._oscore: OscoreLayer | None = None
        self._context: EndpointContext | None = None
        self._interface: EndpointInterface | None = None
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    async def bind(
        cls,
        host: str,
        port: int,
        *,
        site: Any = None,
        fast_handlers: FastHandlers | None = None,
        settings: CoapSettings | None = None,
    ) -> CoapEndpoint:
        """Open an endpoint on a UDP port; port 0 picks a free one. Raises PortInUse, AddressError, NetworkError."""
        endpoint = cls(site=site, fast_handlers=fast_handlers, settings=settings)
        await endpoint.listen_udp(host, port)
        return endpoint

    async def listen_udp(self, host: str, port: int) -> tuple[str, int]:
        """Speak plain CoAP on a UDP port; returns the address."""
        transport = UdpTransport(self.settings, self._requester, self._responder)
        await transport.open(host, port)
        self._transports[transport.scheme] = transport
        return transport.local_address

    async def listen_dtls(
        self,
        host: str,
        port: int,
        credentials: CredentialLookup,
        own: OwnCertificate | None = None,
        *,
        named: Mapping[str, OwnCertificate] | None = None,
    ) -> tuple[str, int]:
        """Speak CoAP over DTLS 1.2 on a UDP port, as server and as client; returns the address.

        With a certificate of our own, peers may use theirs; pre-shared keys always work. A peer that asks for a server
        name gets the certificate in `named`, if there is one (SNI).
        """
        from lwm2m_ml.coap.dtls.transport import DtlsTransport  # noqa: PLC0415  # OpenSSL is only loaded when it is used

        transport = DtlsTransport(self.settings, self._requester, self._responder, credentials, own, named=named)
        await transport.open(host, port)
        self._transports[transport.scheme] = transport
        return transport.local_address

    async def listen_dtls_cid(
        self,
        host: str,
        port: int,
        credentials: CredentialLookup,
        own: OwnCertificate | OwnKey | None = None,
        *,
        named: Mapping[str, OwnCertificate] | None = None,
        states: SessionStates | None = None,
        holder_of: HolderOf | None = None,
        ids: ConnectionIds | None = None,
    ) -> CidTransport:
        """Speak CoAP over DTLS 1.2 with connection ids, in the place of `listen_dtls`.

        `states` keeps sessions that outlive the endpoint; `holder_of` and `ids` are those of `CidTransport`, which is
        returned.
        """
        from lwm2m_ml.coap.dtls_cid.transport import CidTransport  # noqa: PLC0415  # only loaded when it is used

        transport = CidTransport(
            self.settings,
            self._requester,
            self._responder,
            credentials,
            own,
            named=named,
            states=states,
            holder_of=holder_of,
            ids=ids,
        )
        await transport.open(host, port)
        self._transports[transport.scheme] = transport
        return transport

    async def listen_tcp(self, host: str, port: int) -> tuple[str, int]:
        """Speak CoAP over TCP, as server and as client; returns the address."""
        return await self._listen_stream(host, port, None)

    async def listen_tls(self, host: str, port: int, tls: TlsSettings) -> tuple[str, int]:
        """Speak CoAP over TLS, as server and as client; returns the address."""
        return await self._listen_stream(host, port, tls)

    async def _listen_stream(self, host: str, port: int, tls: TlsSettings | None) -> tuple[str, int]:
        transport = self._stream_transport(tls)
        await transport.open(host, port)
        self._transports[transport.scheme] = transport
        return transport.local_address

    def _stream_transport(self, tls: TlsSettings | None) -> TcpTransport:
        from lwm2m_ml.coap.tcp.transport import TcpTransport  # noqa: PLC0415  # only loaded when it is used

        return TcpTransport(self.settings, self._requester, self._responder, self._pipes.stop_remote, tls)

    def use_oscore(self, lookup: OscoreLookup, states: OscoreStates) -> None:
        """Open and seal messages of peers that have an OSCORE context, over every transport of this endpoint."""
        from lwm2m_ml.coap.oscore.layer import OscoreLayer  # noqa: PLC0415  # only loaded when it is used

        self._oscore = OscoreLayer(
            self.settings,
            self._requester,
            self._responder,
            self._pipes.stop_remote,
            lookup=lookup,
            states=states,
        )

    def secured(self, remote: Remote, credential: OscoreCredential) -> Remote:
        """The peer of an OSCORE credential, which is reached through `remote`; needs `use_oscore`."""
        if self._oscore is None:
            raise AddressError("This endpoint does not use OSCORE", hint="Call use_oscore first")
        return self._oscore.secured(remote, credential)

    @property
    def local_address(self) -> tuple[str, int]:
        """Host and port of the first transport."""
        return next(iter(self._transports.values())).local_address

    def address(self, scheme: str) -> tuple[str, int]:
        """Host and port of the transport for a URI scheme."""
        return self._transports[scheme].local_address

    @property
    def traffic(self) -> dict[tuple[str, str], int]:
        """Bytes since the endpoint began to listen, by URI scheme and direction, `in` or `out`.

        Of UDP and DTLS whole datagrams with handshakes; of TCP and TLS what is in the stream, without TLS records.
        """
        came = {(scheme, "in"): transport.bytes_in for scheme, transport in self._transports.items()}
        return came | {(scheme, "out"): transport.bytes_out for scheme, transport in self._transports.items()}

    @property
    def context(self) -> aiocoap.Context:
        """The aiocoap context of this endpoint, made when it is first asked for."""
        if self._context is None:
            self._context = EndpointContext(asyncio.get_running_loop(), self.site)
            self._interface = EndpointInterface(self)
            self._context.request_interfaces.append(self._interface)
        return self._context

    def remote(self, host: str, port: int = DEFAULT_PORT) -> Remote:
        """The peer at an IP address, over plain UDP; the same object each time while anyone holds it."""
        udp = self._transports.get("coap")
        if not isinstance(udp, UdpTransport):
            raise AddressError("This endpoint does not speak plain CoAP", hint="Use connect with another scheme")
        return udp.remote(host, port)

    async def connect(self, scheme: str, host: str, port: int) -> Remote:
        """The peer at a host over the transport for a URI scheme, after a handshake where there is one.

        When the OSCORE lookup has a context for the host and port, it is the peer of that context.
        """
        transport = self._transports.get(scheme)
        if transport is None:
            raise AddressError(f"This endpoint does not speak {scheme}")
        remote = await transport.resolve(host, port)
        return remote if self._oscore is None else self._oscore.secured_server(remote, host, port)

    def owns(self, remote: Remote) -> bool:
        """Whether the peer belongs to one of this endpoint's transports."""
        return any(transport.owns(remote) for transport in self._all_transports())

    def _all_transports(self) -> list[EndpointTransport]:
        """OSCORE first: what it does needs the others."""
        transports: list[EndpointTransport] = list(self._transports.values())
        return transports if self._oscore is None else [self._oscore, *transports]

    async def find_remote(self, message: aiocoap.Message) -> Remote | None:
        """The peer of a message: set already, or named by its URI; None when the scheme is not ours."""
        remote = message.remote
        if isinstance(remote, Remote):
            return remote
        if remote is None or remote.scheme not in self._transports:
            return None
        host, port = hostportsplit(remote.hostinfo)
        return await self.connect(remote.scheme, host, port or DEFAULT_PORTS[remote.scheme])

    def rebind(self, remote: Remote, new: Remote) -> None:
        """The peer proved that it is at the address of `new` now: its requests and observations move along.

        From here on datagrams from there belong to `remote`; `new` only answers the request it brought.
        """
        if remote.scheme != new.scheme:
            raise AddressError(f"{new.hostinfo} speaks {new.scheme}, {remote.hostinfo} {remote.scheme}")
        for transport in self._all_transports():
            if transport.owns(new):
                transport.move(remote, new)
                break
        remote.answers = new.answers
        remote.proven = new.proven
        remote.round_trip = None

    def drop_identity(self, identity: str) -> None:
        """A credential is no longer good: end the sessions of its identity and fail its requests."""
        for transport in self._all_transports():
            transport.drop_identity(identity)

    def doubt(self, identity: str) -> None:
        """Another process serves the peer of an OSCORE context from now on: when it is back, it proves to be fresh."""
        if self._oscore is not None:
            self._oscore.doubt(identity)

    async def request(self, message: aiocoap.Message, *, timeout: float | None = None) -> aiocoap.Message:  # noqa: ASYNC109
        """Send a request and return the whole response; raises subclasses of `CoapError`.

        Bodies larger than a block are transferred block by block both ways, unless the message carries a Block1 or
        Block2 option: then its sender does that. `timeout` (seconds) bounds the whole transfer.
        """
        request = await self._outgoing(message)
        transfer = Transfer(self._requester, self.settings, request)
        raw = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                raw = await transfer.run()
        if raw is None:
            # Not raised while the other is handled, which knows this task: the two would keep each other.
            raise RequestTimeout(f"{request.remote.hostinfo} did not answer within {timeout:g} s")
        response = to_message(raw.code, raw.options, raw.payload, request.remote, raw.token)
        response.request = message
        return response

    async def observe(self, message: aiocoap.Message, on_notification: OnNotification) -> Observation:
        """Observe a resource; `Observation.response` is the first answer, `active` whether notifications follow.

        `on_notification` is called in order with each fresh, complete notification, also with a last one that ends
        the observation (an error, or no Observe option).
        """
        request = await self._outgoing(message)
        observation = Observation(self._requester, self.settings, request, on_notification)
        await observation.start()
        return observation

    async def _outgoing(self, message: aiocoap.Message) -> OutgoingRequest:
        if self._closing is not None:
            raise EndpointClosed("The endpoint is closed")
        remote = await self.find_remote(message)
        if remote is None:
            raise AddressError("The request names no peer that this endpoint can reach", hint="Set message.remote")
        confirmable = message.transport_tuning.reliability is not False
        return OutgoingRequest(remote, int(message.code), to_options(message), message.payload, confirmable)

    def _render(self, request: FastRequest, incoming: Incoming) -> None:
        """The slow path."""
        if self.site is None and self._context is None:
            self._responder.done(request)
            incoming.reply(*self._responder.finish(request, Response(numbers.NOT_FOUND), incoming.size))
        else:
            self._pipes.render(request, incoming, self.context)

    async def close(self) -> None:
        """Stop answering, fail what is under way, close the sockets."""
        if self._closing is not None:
            await asyncio.shield(self._closing)
            return
        self._closing = asyncio.get_running_loop().create_future()
        self._pipes.close()
        self._responder.close()
        self._requester.close()
        for transport in self._all_transports():
            await transport.close()
        self._closing.set_result(None)
        if self._interface is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._interface.shutdown()

    async def __aenter__(self) -> CoapEndpoint:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
