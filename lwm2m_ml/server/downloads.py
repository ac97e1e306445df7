"""Content that devices download from the server: served block by block from memory, to whoever knows its address.

An address that a device was told is good after a restart of the server, too: offers are in the store.
"""

import asyncio
import hashlib
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.codec import encode_ordered
from lwm2m_ml.coap.fast import Encoded, FastAnswer, FastRequest, FastResponse, HandlerTable, PendingResponse
from lwm2m_ml.coap.numbers import GET
from lwm2m_ml.coap.options import BERT, Block, encode_uint
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.server.events import PackageServed
from lwm2m_ml.store.download_offers import DownloadOfferRecord, DownloadOfferRepository

SEGMENT = "packages"
LOOK_UPS = 1_000
"""At a time; somebody who guesses addresses must not keep the database busy."""
LARGEST_BLOCK_EXPONENT = 6
COAP_HEADER_BYTES = 4
ETAG_BYTES = 8
BLOCK2_AFTER_FORMAT = numbers.BLOCK2 - numbers.CONTENT_FORMAT << 4
"""The first byte of a Block2 option that follows a Content-Format, but for its length."""
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

    `bytes_served` counts messages: header, options and payload of every answer, repetitions included. `expires_at` is
    in Unix seconds; `block_bytes` is the size of the blocks that the device asks for.
    """

    endpoint: str
    content: bytes
    uri: str
    token: str
    expires_at: float
    etag: bytes
    http_uri: str | None = None
    block_bytes: int | None = None
    bytes_served: int = 0
    blocks_served: int = 0
    last_served_at: float | None = None
    stored: asyncio.Future[None] | None = field(default=None, repr=False)
    _ahead: dict[int, int] = field(default_factory=dict)
    _served_upto: int = 0
    _options: bytes = field(init=False, repr=False)
    """The options of every block, as far as they come before Block2."""

    def __post_init__(self) -> None:
        content_format = encode_uint(ContentFormat.OPAQUE)
        self._options = encode_ordered([(numbers.ETAG, self.etag), (numbers.CONTENT_FORMAT, content_format)])

    @property
    def finished(self) -> bool:
        """Whether every byte has been served at least once."""
        return self._served_upto >= len(self.content)

    def serve(self, asked: Block | None) -> FastResponse | Encoded:
        """The answer that holds the block asked for (RFC 7959 §2.4), or 4.00 when there is no such block."""
        block = (asked or WHOLE).resized(LARGEST_BLOCK_EXPONENT)
        if block.number:
            return self._later_block(block)
        self.block_bytes = block.size if asked else self.block_bytes
        more = block.size < len(self.content)
        response = FastResponse(
            ResponseCode.CONTENT,
            self.content[: block.size],
            content_format=ContentFormat.OPAQUE,
            etag=self.etag,
            block2=Block(0, more, block.size_exponent) if asked or more else None,
            size2=len(self.content),
        )
        self.count(COAP_HEADER_BYTES + len(response.tail()), 0, min(block.size, len(self.content)))
        return response

    def _later_block(self, block: Block) -> FastResponse | Encoded:
        """Any block but the first, put together from its bytes: most of what a server of modules sends."""
        start, size = block.start, block.size
        if start >= len(self.content):
            return FastResponse(ResponseCode.BAD_REQUEST, b"there is no such block")
        end = start + size
        value = encode_uint(block.number << 4 | (end < len(self.content)) << 3 | block.size_exponent)
        head = BLOCK2_AFTER_FORMAT | len(value)
        tail = b"%b%c%b\xff%b" % (self._options, head, value, self.content[start:end])
        self.block_bytes = size
        self.count(COAP_HEADER_BYTES + len(tail), start, min(end, len(self.content)))
        return ResponseCode.CONTENT, tail

    def serve_several(self, asked: Block | None, most: int) -> FastResponse:
        """As many blocks as go in `most` bytes, from the one asked for on, over a reliable transport (RFC 8323 §6)."""
        start = 0 if asked is None else asked.start
        end = min(start + most, len(self.content))
        if start and start >= end:
            return FastResponse(ResponseCode.BAD_REQUEST, b"there is no such block")
        part = Block(start >> 10, end < len(self.content), BERT)
        response = FastResponse(
            ResponseCode.CONTENT,
            self.content[start:end],
            content_format=ContentFormat.OPAQUE,
            etag=self.etag,
            block2=part if asked or part.more else None,
            size2=None if start else len(self.content),
        )
        self.count(COAP_HEADER_BYTES + len(response.tail()), start, end)
        return response

    def serve_whole(self) -> FastResponse:
        """Everything at once, for a transfer in windows (RFC 9177), whose blocks somebody else cuts and repeats."""
        response = FastResponse(ResponseCode.CONTENT, self.content, content_format=ContentFormat.OPAQUE, etag=self.etag)
        self.count(COAP_HEADER_BYTES + len(response.tail()), 0, len(self.content))
        return response

    def count(self, message_bytes: int, start: int, end: int) -> None:
        """Remember that a message of this size brought the content from `start` to `end`."""
        self.bytes_served += message_bytes
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

    def __init__(
        self,
        route: Callable[[str], Route],
        repository: DownloadOfferRepository,
        *,
        lifetime: float,
        bus: Bus | None = None,
    ) -> None:
        """`route` tells how a device reaches the server: one that came in over DTLS downloads over DTLS.

        With a `bus`, other nodes lay out packages, too: theirs are found in the store, and they are told what was
        fetched here.
        """
        self._shared = bus
        self._looked_up: dict[str, asyncio.Task[Download | None]] = {}
        self._route = route
        self._repository = repository
        self._lifetime = lifetime
        self._downloads: dict[str, Download] = {}
        self._tokens: dict[tuple[str, bytes], str] = {}
        """By endpoint and entity tag."""
        self._contents: dict[bytes, bytes] = {}
        """By entity tag: devices that fetch the same share one copy."""
        self._users: Counter[bytes] = Counter()
        self._http_root: str | None = None

    async def load(self) -> None:
        """Serve what was offered when the server stopped, and forget what has expired since."""
        for record in await self._repository.all():
            if record.expires_at <= time.time():
                self._forget(record.token)
                continue
            self._serve(record)

    def serve_over_http(self, root: str) -> None:
        """Tell devices that prefer it to fetch over HTTP or HTTPS; somebody serves `get` below this URL."""
        self._http_root = root.rstrip("/")

    def add_to(self, handlers: HandlerTable) -> None:
        """Serve the published content through an endpoint's table."""
        handlers.add(GET, SEGMENT, self._get)

    @property
    def over_http(self) -> bool:
        """Whether devices can fetch over HTTP or HTTPS, too."""
        return self._http_root is not None

    def publish(self, content: bytes, *, endpoint: str, lifetime: float | None = None) -> Download:
        """Serve `content` for a device until it is withdrawn or `lifetime` seconds have passed.

        The same content for the same device keeps its address, so that the device can go on with what it has.
        """
        self._expire()
        digest = hashlib.sha256(content).digest()
        known = self._tokens.get((endpoint, digest[:ETAG_BYTES]))
        if known is not None:
            return self._downloads[known]
        token = secrets.token_urlsafe(16)
        route = self._route(endpoint)
        host = self._reachable(route)
        authority = f"[{host}]:{route.port}" if ":" in host else f"{host}:{route.port}"
        uri = f"{route.scheme}://{authority}/{SEGMENT}/{token}"
        expires_at = time.time() + (self._lifetime if lifetime is None else lifetime)
        download = self._serve(DownloadOfferRecord(token, endpoint, uri, content, expires_at))
        download.stored = self._repository.put(token, endpoint, uri, digest.hex(), expires_at)
        _unheeded(download.stored)
        return download

    async def offer(self, content: bytes, *, endpoint: str) -> Download:
        """Publish, and return when the address is on disk: then a device may be told. Raises `StoreError`."""
        if self._shared is not None:
            await self._take_over(content, endpoint)
        download = self.publish(content, endpoint=endpoint)
        if download.stored is not None:
            await asyncio.shield(download.stored)
        return download

    def _serve(self, offer: DownloadOfferRecord) -> Download:
        etag = hashlib.sha256(offer.content).digest()[:ETAG_BYTES]
        download = Download(
            endpoint=offer.endpoint,
            content=self._contents.setdefault(etag, offer.content),
            uri=offer.uri,
            token=offer.token,
            expires_at=offer.expires_at,
            etag=etag,
            http_uri=None if self._http_root is None else f"{self._http_root}/{SEGMENT}/{offer.token}",
        )
        self._downloads[offer.token] = download
        self._tokens[offer.endpoint, etag] = offer.token
        self._users[etag] += 1
        return download

    def get(self, token: str) -> Download:
        """A published download; raises NotFoundError when it is not there or not any more."""
        download = self._downloads.get(token)
        if download is None or download.expires_at <= time.time():
            raise NotFoundError("There is no such download")
        return download

    def withdraw(self, token: str) -> None:
        """Serve it no more; nothing happens if it is not there."""
        download = self._downloads.pop(token, None)
        if download is None:
            return
        self._tokens.pop((download.endpoint, download.etag), None)
        self._users[download.etag] -= 1
        if not self._users[download.etag]:
            del self._users[download.etag], self._contents[download.etag]
        self._forget(token)

    def _get(self, request: FastRequest) -> FastAnswer:
        try:
            download = self.get("/".join(request.path[1:]))
        except NotFoundError:
            return self._elsewhere(request) or self._refused(request)
        return self._answer(request, download)

    def _answer(self, request: FastRequest, download: Download) -> FastResponse | Encoded:
        # Only the device was told the token, so its sender is no victim of a forged address (RFC 9175 §2.4), and small
        # clients, which know no Echo option, get their blocks from whatever port they ask.
        request.remote.proven = True
        asked = request.block2
        if len(request.options) - len(request.path) > (asked is not None):  # there are others than these
            if request.accept not in {None, ContentFormat.OPAQUE}:
                return FastResponse(ResponseCode.NOT_ACCEPTABLE)
            if download.etag in request.etags and asked in {None, WHOLE}:
                return FastResponse(ResponseCode.VALID, etag=download.etag)
        was_finished = download.finished
        several = request.remote.bert_bytes
        if request.whole_answer:
            response: FastResponse | Encoded = download.serve_whole()
        elif several and (asked is None or asked.size_exponent == BERT):
            response = download.serve_several(asked, several)
        else:
            response = download.serve(asked)
        if download.finished and not was_finished:
            log.info(
                "download served",
                endpoint=download.endpoint,
                bytes=len(download.content),
                bytes_served=download.bytes_served,
                blocks=download.blocks_served,
            )
            if self._shared is not None:
                served = download.bytes_served, download.block_bytes
                self._shared.publish(PackageServed(download.endpoint, download.token, *served))
        return response

    def _refused(self, request: FastRequest) -> FastResponse:
        log.info("download refused", remote=request.remote.hostinfo, reason="unknown, expired or withdrawn")
        return FastResponse(ResponseCode.NOT_FOUND)

    # Packages that other nodes laid out

    def listen(self) -> None:
        """Count what devices fetch from other nodes."""
        if self._shared is not None:
            self._shared.subscribe(PackageServed, self._served_elsewhere, everywhere=True)

    def _elsewhere(self, request: FastRequest) -> PendingResponse | None:
        """The answer after a look into the store; None when there is nothing to look for, or too much."""
        token = "/".join(request.path[1:])
        if self._shared is None or (len(self._looked_up) >= LOOK_UPS and token not in self._looked_up):
            return None
        if token not in self._looked_up:
            self._looked_up[token] = asyncio.create_task(self._look_up(token))
        task = self._looked_up[token]
        answer = PendingResponse()

        def found(done: "asyncio.Task[Download | None]") -> None:
            self._looked_up.pop(token, None)
            download = None if done.cancelled() or done.exception() else done.result()
            given = self._refused(request) if download is None else self._answer(request, download)
            answer.give(given if isinstance(given, FastResponse) else FastResponse(given[0], encoded=given[1]))

        task.add_done_callback(found)
        return answer

    async def _take_over(self, content: bytes, endpoint: str) -> None:
        """Serve on what another node offered the device: it may be fetching it by that address."""
        digest = hashlib.sha256(content).digest()
        if (endpoint, digest[:ETAG_BYTES]) in self._tokens:
            return
        token = await self._repository.token_of(endpoint, digest.hex())
        if token is not None:
            await self._look_up(token)

    async def _look_up(self, token: str) -> Download | None:
        record = await self._repository.get(token)
        if record is None or record.expires_at <= time.time():
            return None
        return self._downloads.get(token) or self._serve(record)

    async def _served_elsewhere(self, event: PackageServed) -> None:
        download = self._downloads.get(event.token)
        if download is not None and not download.finished:
            download.bytes_served += event.bytes_served
            download.block_bytes = event.block_bytes
            download.last_served_at = time.time()

    def _expire(self) -> None:
        now = time.time()
        for token in [token for token, download in self._downloads.items() if download.expires_at <= now]:
            self.withdraw(token)

    def _forget(self, token: str) -> None:
        _unheeded(self._repository.delete(token))

    def _reachable(self, route: Route) -> str:
        """The address of this host that packets to the device leave from, when the server listens on all of them."""
        if route.host not in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
            return route.host
        peer = route.peer()
        family = socket.AF_INET6 if ":" in peer else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))  # sends nothing: it only makes the kernel choose the route
            return str(probe.getsockname()[0])


def _unheeded(written: asyncio.Future[None]) -> None:
    """Let a write go its way: without it, a device that asks after a restart is told a new address."""

    def done(future: asyncio.Future[None]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            log.warning("an offer was not stored", reason=str(error))

    written.add_done_callback(done)
