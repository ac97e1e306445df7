"""The CoAP endpoint: server and client in one, used by the LwM2M server and by every device."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

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
    import aiocoap

    from lwm2m_ml.coap.channel import Incoming
    from lwm2m_ml.coap.fast import FastRequest

DEFAULT_PORT = 5683


class CoapEndpoint:
    """One bound endpoint. Create it with `bind`, end it with `close`, or use it as an async context manager."""

    __slots__ = ("_closing", "_context", "_interface", "_pipes", "_requester", "_responder", "_udp", "settings", "site")

    _udp: UdpTransport

    def __init__(self, site: Any, fast_handlers: FastHandlers, settings: CoapSettings) -> None:
        self.settings = settings
        self.site = site
        self._requester = Requester(settings)
        self._responder = Responder(settings, fast_handlers, self._render)
        self._pipes = PipeTable(self._responder)
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
        """Open an endpoint on a UDP port; port 0 picks a free one. Raises PortInUse, AddressError, NetworkError.

        `site` is any object with `async render_to_pipe(pipe)`, such as `aiocoap.resource.Site`; it gets the requests
        that no fast handler takes.
        """
        settings = settings or CoapSettings()
        endpoint = cls(site, fast_handlers or FastHandlers(), settings)
        endpoint._udp = await UdpTransport.bind(host, port, settings, endpoint._requester, endpoint._responder)
        return endpoint

    @property
    def local_address(self) -> tuple[str, int]:
        """Host and port where the endpoint listens."""
        return self._udp.local_address

    @property
    def context(self) -> aiocoap.Context:
        """The aiocoap context of this endpoint, made when it is first asked for."""
        if self._context is None:
            self._context = EndpointContext(asyncio.get_running_loop(), self.site)
            self._interface = EndpointInterface(self)
            self._context.request_interfaces.append(self._interface)
        return self._context

    def remote(self, host: str, port: int = DEFAULT_PORT) -> Remote:
        """The peer at an IP address; the same object each time while anyone holds it."""
        return self._udp.remote(host, port)

    def owns(self, remote: Remote) -> bool:
        """Whether the peer belongs to one of this endpoint's transports."""
        return remote.channel is self._udp

    async def find_remote(self, message: aiocoap.Message) -> Remote | None:
        """The peer of a message: set already, or named by its URI; None when the scheme is not ours."""
        remote = message.remote
        if isinstance(remote, Remote):
            return remote
        if remote is None or remote.scheme != self._udp.scheme:
            return None
        host, port = hostportsplit(remote.hostinfo)
        return await self._udp.resolve(host, port or DEFAULT_PORT)

    def rebind(self, remote: Remote, new: Remote) -> None:
        """The peer proved that it is at the address of `new` now: its requests and observations move along.

        From here on datagrams from there belong to `remote`; `new` only answers the request it brought.
        """
        self._udp.remotes.move(remote, new.socket_address)
        remote.answers = new.answers
        remote.proven = new.proven
        remote.round_trip = None

    async def request(self, message: aiocoap.Message, *, timeout: float | None = None) -> aiocoap.Message:  # noqa: ASYNC109
        """Send a request and return the whole response; raises subclasses of `CoapError`.

        Bodies larger than a block are transferred block by block both ways, unless the message carries a Block1 or
        Block2 option: then its sender does that. `timeout` (seconds) bounds the whole transfer.
        """
        request = await self._outgoing(message)
        transfer = Transfer(self._requester, self.settings, request)
        try:
            async with asyncio.timeout(timeout):
                raw = await transfer.run()
        except TimeoutError:
            raise RequestTimeout(f"{request.remote.hostinfo} did not answer within {timeout:g} s") from None
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
        self._requester.close()
        await self._udp.close()
        self._closing.set_result(None)
        if self._interface is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._interface.shutdown()

    async def __aenter__(self) -> CoapEndpoint:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
