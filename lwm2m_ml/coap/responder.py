"""Answers requests: fast handlers first, the site through aiocoap's pipes for everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.assembly import RequestBodies
from lwm2m_ml.coap.blocks import needs_blocks, serve_block
from lwm2m_ml.coap.errors import UnusableOption
from lwm2m_ml.coap.fast import FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.options import encode_uint, first_block, first_uint
from lwm2m_ml.coap.responses import Response, suppressed

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Incoming
    from lwm2m_ml.coap.settings import CoapSettings

logger = structlog.get_logger(__name__)

Finished = tuple[int, bytes]
"""Code, and what follows the token; code 0 when the peer wants no answer."""
Answer = Finished | asyncio.Future[FastResponse] | None

LARGEST_COMMON_OPTION = numbers.ACCEPT
"""Options of an ordinary request are not above this number; block, echo and proxy options are."""
SMALLEST_BLOCK = 16
RETRY_AFTER = 5
"""Max-Age of 5.03 in seconds."""


class Responder:
    """The server side of an endpoint, for all its transports."""

    __slots__ = ("_bodies", "_fast", "_in_progress", "_settings", "_slow_path")

    def __init__(
        self,
        settings: CoapSettings,
        fast_handlers: FastHandlers,
        slow_path: Callable[[FastRequest, Incoming], None],
    ) -> None:
        self._settings = settings
        self._fast = fast_handlers
        self._slow_path = slow_path
        self._bodies: RequestBodies | None = None
        self._in_progress = 0

    def answer(self, request: FastRequest, size: int) -> Answer:
        """The finished answer, the future that will bring it, or None: then it takes the slow path."""
        try:
            if request.options and request.options[-1][0] > LARGEST_COMMON_OPTION:
                refused = self._prepare(request)
                if refused is not None:
                    return self.finish(request, refused, size)
            handler = self._fast.get(request.code, request.path)
            if handler is None:
                return None
            response = handler(request)
        except UnusableOption as error:
            response = FastResponse(numbers.BAD_OPTION, error.message.encode())
        except Exception:
            logger.exception("A request handler failed", path="/".join(request.path), remote=request.remote.hostinfo)
            response = FastResponse(numbers.INTERNAL_SERVER_ERROR)
        if type(response) is FastResponse:
            return self.finish(request, response, size)
        return response  # type: ignore[return-value]

    def _prepare(self, request: FastRequest) -> Response | None:
        """Put the body together when it comes in blocks; tell what to answer when the request cannot go on."""
        options = request.options
        if first_uint(options, numbers.PROXY_URI) is not None or first_uint(options, numbers.PROXY_SCHEME) is not None:
            return Response(numbers.PROXYING_NOT_SUPPORTED)
        block = first_block(options, numbers.BLOCK1)
        if block is None:
            return None
        if self._bodies is None:
            self._bodies = RequestBodies(self._settings)
        now = asyncio.get_running_loop().time()
        body = self._bodies.feed(request, block, now)
        if isinstance(body, Response):
            return body
        request.payload = body
        request.block1 = block
        return None

    def finish(self, request: FastRequest, response: FastResponse | Response, size: int) -> Finished:
        """Cut the answer into blocks where needed and encode it."""
        options = request.options
        special = bool(options) and options[-1][0] > LARGEST_COMMON_OPTION
        if special and suppressed(first_uint(options, numbers.NO_RESPONSE), response.code):
            return numbers.EMPTY, b""
        if len(response.payload) > SMALLEST_BLOCK or special:
            response = self._in_blocks(request, response)
        return response.code, response.tail()

    def _in_blocks(self, request: FastRequest, response: FastResponse | Response) -> FastResponse | Response:
        requested = first_block(request.options, numbers.BLOCK2)
        exponent = min(request.remote.maximum_block_size_exp, self._settings.block_size_exponent)
        cut = isinstance(response, Response) or response.block2 is None
        if cut and response.code < 0x60 and needs_blocks(len(response.payload), requested, exponent):
            options = response.options() if isinstance(response, FastResponse) else response.options
            response = serve_block(response.code, options, response.payload, requested, exponent)
        if request.block1 is not None:
            options = response.options() if isinstance(response, FastResponse) else response.options
            block1 = (numbers.BLOCK1, request.block1.encode())
            response = Response(response.code, [*options, block1], response.payload)
        return response

    def answer_later(
        self, request: FastRequest, incoming: Incoming, future: asyncio.Future[FastResponse] | None
    ) -> None:
        """The answer comes from a future or from the slow path."""
        remote = request.remote
        settings = self._settings
        if (
            self._in_progress >= settings.requests_in_progress
            or remote.in_progress >= settings.requests_in_progress_per_remote
        ):
            if future is not None:
                future.cancel()
            incoming.reply(
                numbers.SERVICE_UNAVAILABLE, Response(0, [(numbers.MAX_AGE, encode_uint(RETRY_AFTER))]).tail()
            )
            return
        self._in_progress += 1
        remote.in_progress += 1
        if future is None:
            self._slow_path(request, incoming)
        else:
            future.add_done_callback(partial(self._future_done, request, incoming))

    def _future_done(self, request: FastRequest, incoming: Incoming, future: asyncio.Future[FastResponse]) -> None:
        self.done(request)
        if future.cancelled():
            response = FastResponse(numbers.SERVICE_UNAVAILABLE, max_age=RETRY_AFTER)
        elif (error := future.exception()) is not None:
            logger.error("A request handler failed", path="/".join(request.path), exc_info=error)
            response = FastResponse(numbers.INTERNAL_SERVER_ERROR)
        else:
            response = future.result()
        incoming.reply(*self.finish(request, response, incoming.size))

    def done(self, request: FastRequest) -> None:
        """A request that took its time is finished."""
        self._in_progress -= 1
        request.remote.in_progress -= 1
