"""Content that devices download from the server: served block by block from memory, to whoever knows its address."""

import hashlib
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from lwm2m_ml.coap.fast import FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.numbers import GET
from lwm2m_ml.coap.options import Block
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.response_codes import ResponseCode

SEGMENT = "packages"
LARGEST_BLOCK_EXPONENT = 6
COAP_HEADER_BYTES = 4
WHOLE = Block(0, False, LARGEST_BLOCK_EXPONENT)
"""What is asked for when no block is named."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """How a device reaches this server: the scheme and the address it listens at, and where the device is."""

    scheme: str
    host: str
    port: int
    peer: Callable[[], str]


@dataclass(slots=True, eq=False)
class Download:
    """One published content and what has been served of it.

    `bytes_served` counts CoAP messages: header, options and payload of every answer, repetitions included.
    """

    endpoint: str
    content: bytes
    uri: str
    token: str
    expires_at: float
    etag: bytes
    bytes_served: int = 0
    blocks_served: int = 0
    last_served_at: float | None = None
    _ahead: dict[int, int] = field(default_factory=dict)
    _served_upto: int = 0

    @property
    def finished(self) -> bool:
        """Whether every byte has been served at least once."""
        return self._served_upto >= len(self.content)

    def serve(self, asked: Block | None) -> FastResponse:
        """The answer that holds the block asked for (RFC 7959 §2.4), or 4.00 when there is no such block."""
        number, _, exponent = block = (asked or WHOLE).resized(LARGEST_BLOCK_EXPONENT)
        start = block.start
        if start >= len(self.content) and number:
            return FastResponse(ResponseCode.BAD_REQUEST, b"there is no such block")
        end = start + block.size
        more = end < len(self.content)
        response = FastResponse(
            ResponseCode.CONTENT,
            self.content[start:end],
            content_format=ContentFormat.OPAQUE,
            etag=self.etag,
            block2=Block(number, more, exponent) if asked or more else None,
            size2=len(self.content) if number == 0 else None,
        )
        self._count(response, start, min(end, len(self.content)))
        return response

    def _count(self, response: FastResponse, start: int, end: int) -> None:
        self.bytes_served += COAP_HEADER_BYTES + len(response.tail())
        self.blocks_served += 1
        self.last_served_at = time.time()
        if not self._ahead and start <= self._served_upto:
            self._served_upto = max(self._served_upto, end)
            return
        # Stretches that were served out of order wait in `_ahead` until what is before them has been served, too.
        self._ahead[start] = max(end, self._ahead.get(start, 0))
        while ready := [first for first in self._ahead if first <= self._served_upto]:
            for first in ready:
                self._served_upto = max(self._served_upto, self._ahead.pop(first))


class Downloads:
    """Publishes content under addresses that cannot be guessed, and serves it without a state per transfer.

    Any port of the device may ask for any block: a transfer that a power cut interrupted goes on where it stopped.
    """

    def __init__(self, route: Callable[[str], Route], *, lifetime: float) -> None:
        """`route` tells how a device reaches the server: one that came in over DTLS downloads over DTLS."""
        self._route = route
        self._lifetime = lifetime
        self._downloads: dict[str, Download] = {}

    def add_to(self, handlers: FastHandlers) -> None:
        """Serve the published content through an endpoint's table."""
        handlers.add(GET, SEGMENT, self._get)

    def publish(self, content: bytes, *, endpoint: str, lifetime: float | None = None) -> Download:
        """Serve `content` for a device until it is withdrawn or `lifetime` seconds have passed."""
        self._expire()
        token = secrets.token_urlsafe(16)
        route = self._route(endpoint)
        host = self._reachable(route)
        authority = f"[{host}]:{route.port}" if ":" in host else f"{host}:{route.port}"
        download = Download(
            endpoint=endpoint,
            content=content,
            uri=f"{route.scheme}://{authority}/{SEGMENT}/{token}",
            token=token,
            expires_at=time.monotonic() + (self._lifetime if lifetime is None else lifetime),
            etag=hashlib.sha256(content).digest()[:8],
        )
        self._downloads[token] = download
        return download

    def get(self, token: str) -> Download:
        """A published download; raises NotFoundError when it is not there or not any more."""
        download = self._downloads.get(token)
        if download is None or download.expires_at <= time.monotonic():
            raise NotFoundError("There is no such download")
        return download

    def withdraw(self, token: str) -> None:
        """Serve it no more; nothing happens if it is not there."""
        self._downloads.pop(token, None)

    def _get(self, request: FastRequest) -> FastResponse:
        try:
            download = self.get("/".join(request.path[1:]))
        except NotFoundError:
            log.info("download refused", remote=request.remote.hostinfo, reason="unknown, expired or withdrawn")
            return FastResponse(ResponseCode.NOT_FOUND)
        # Only the device was told the token, so its sender is no victim of a forged address (RFC 9175 §2.4), and small
        # clients, which know no Echo option, get their blocks from whatever port they ask.
        request.remote.proven = True
        if request.accept not in {None, ContentFormat.OPAQUE}:
            return FastResponse(ResponseCode.NOT_ACCEPTABLE)
        if request.etag is not None and download.etag in request.etags and request.block2 in {None, WHOLE}:
            return FastResponse(ResponseCode.VALID, etag=download.etag)
        was_finished = download.finished
        response = download.serve(request.block2)
        if download.finished and not was_finished:
            log.info(
                "download served",
                endpoint=download.endpoint,
                bytes=len(download.content),
                bytes_served=download.bytes_served,
                blocks=download.blocks_served,
            )
        return response

    def _expire(self) -> None:
        now = time.monotonic()
        for token in [token for token, download in self._downloads.items() if download.expires_at <= now]:
            del self._downloads[token]

    def _reachable(self, route: Route) -> str:
        """The address of this host that packets to the device leave from, when the server listens on all of them."""
        if route.host not in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
            return route.host
        peer = route.peer()
        family = socket.AF_INET6 if ":" in peer else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))  # sends nothing: it only makes the kernel choose the route
            return str(probe.getsockname()[0])
