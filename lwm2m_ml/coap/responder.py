"""Answers requests: fast handlers first, the site through aiocoap's pipes for everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.amplification import AmplificationGuard
from lwm2m_ml.coap.assembly import RequestBodies
from lwm2m_ml.coap.bert import serve_blocks
from lwm2m_ml.coap.blocks import needs_blocks, serve_block
from lwm2m_ml.coap.bodies import ResponseBodies
from lwm2m_ml.coap.errors import UnusableOption
from lwm2m_ml.coap.fast import RETRY_AFTER, Encoded, FastHandlers, FastRequest, FastResponse, PendingResponse
from lwm2m_ml.coap.options import BERT, Block, Options, encode_uint, first, first_block, first_uint
from lwm2m_ml.coap.responses import Response, suppressed

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Incoming
    from lwm2m_ml.coap.oscore.layer import OscoreLayer
    from lwm2m_ml.coap.qblock.server import QBlockServer
    from lwm2m_ml.coap.settings import CoapSettings

logger = structlog.get_logger(__name__)

SlowPath = Callable[["FastRequest", "Incoming"], None]
Answer = Encoded | PendingResponse | None

LARGEST_COMMON_OPTION = numbers.ACCEPT
"""Options of an ordinary request are not above this number; block, echo and proxy options are."""
SMALLEST_BLOCK = 16
Q_BLOCKS = frozenset({numbers.Q_BLOCK1, numbers.Q_BLOCK2})


class Responder:
    """The server side of an endpoint, for all its transports."""

    __slots__ = (
        "_fast",
        "_guard",
        "_in_progress",
        "_loop",
        "_q_blocks",
        "_request_bodies",
        "_response_bodies",
        "_settings",
        "_slow",
        "protection",
    )

    def __init__(self, settings: CoapSettings, fast_handlers: FastHandlers, slow_path: SlowPath) -> None:
        self._settings = settings
        self._fast = fast_handlers
        self._slow = slow_path
        self._loop = asyncio.get_running_loop()
        self._guard = AmplificationGuard(settings.amplification_factor) if settings.amplification_factor else None
        self._request_bodies: RequestBodies | None = None
        self._response_bodies: ResponseBodies | None = None
        self._q_blocks: QBlockServer | None = None
        self._in_progress = 0
        self.protection: OscoreLayer | None = None

    def answer(self, request: FastRequest, size: int) -> Answer:
        """The finished answer, one that comes later, or None: then it takes the slow path."""
        try:
            if request.options and request.options[-1][0] > LARGEST_COMMON_OPTION:
                ready = self._prepare(request)
                if ready is not None:
                    return self.finish(request, ready, size)
                if request.in_q_blocks:
                    return None
            if request.options and request.options[0][0] <= numbers.OSCORE and request.is_protected:
                return self._refused_protection(request, size)
            handler = self._fast.get(request.code, request.path)
            if handler is None:
                return None
            response = handler(request)
        except UnusableOption as error:
            response = FastResponse(numbers.BAD_OPTION, error.message.encode())
        except Exception:
            logger.exception("A request handler failed", path="/".join(request.path), remote=request.remote.hostinfo)
            response = FastResponse(numbers.INTERNAL_SERVER_ERROR)
        if isinstance(response, FastResponse):
            return self.finish(request, response, size)
        return self._sendable(request, response, size) if type(response) is tuple else response

    def _refused_protection(self, request: FastRequest, size: int) -> Answer:
        """A protected request is opened where its answer can wait; without contexts the option is not understood."""
        if self.protection is not None:
            return None
        return self.finish(request, FastResponse(numbers.BAD_OPTION, b"OSCORE is not supported here"), size)

    # Before the handler

    def _prepare(self, request: FastRequest) -> Response | None:
        """Put the body together when it comes in blocks; tell what to answer when no handler is needed."""
        options = request.options
        if options[-1][0] >= numbers.PROXY_URI and _wants_proxy(options):
            return Response(numbers.PROXYING_NOT_SUPPORTED)
        if self._guard is not None and not request.remote.proven:
            self._guard.hear(request, self._loop.time())
        wanted = request.block2
        if wanted is not None and wanted.number:
            kept = self._kept_body(request)
            if kept is not None:
                return kept
        block = first_block(options, numbers.BLOCK1, bert=request.remote.bert_bytes > 0)
        if block is not None:
            return self._assemble(request, block)
        return None if wanted is not None else self._look_for_q_blocks(request)

    def _look_for_q_blocks(self, request: FastRequest) -> Response | None:
        """Bursts are for unreliable transports, and for who is asked for them (RFC 9177 §3.1, §4.1)."""
        found = [first_block([option], option[0]) for option in request.options if option[0] in Q_BLOCKS]
        if not found:
            return None
        if not self._settings.q_block or request.remote.channel.ordered:
            return Response(numbers.BAD_OPTION, payload=b"Q-Block is not supported here")
        request.in_q_blocks = True
        return None

    def _kept_body(self, request: FastRequest) -> Response | None:
        """The body of which a later block is asked for; GET can be asked again, others cannot."""
        kept = None if self._response_bodies is None else self._response_bodies.find(request)
        if kept is None and request.code != numbers.GET:
            return Response(numbers.REQUEST_ENTITY_INCOMPLETE)
        return kept

    def _assemble(self, request: FastRequest, block: Block) -> Response | None:
        if self._request_bodies is None:
            self._request_bodies = RequestBodies(self._settings)
        body = self._request_bodies.feed(request, block, self._loop.time())
        if isinstance(body, Response):
            return body
        request.payload = body
        request.block1 = block
        return None

    # After the handler

    def finish(
        self, request: FastRequest, response: FastResponse | Response, size: int, *, again: bool = True
    ) -> Encoded:
        """Cut the answer into blocks where needed, and encode it.

        `again`: the handler can be asked for each block; otherwise a body that is cut is kept for its other blocks.
        """
        options = request.options
        special = bool(options) and options[-1][0] > LARGEST_COMMON_OPTION
        if special and suppressed(first_uint(options, numbers.NO_RESPONSE), response.code):
            return numbers.EMPTY, b""
        sent = response
        if (len(response.payload) > SMALLEST_BLOCK or special) and not request.whole_answer:
            sent = self._in_blocks(request, response, again)
        tail = sent.tail()
        guard = self._guard
        if guard is not None and not request.remote.proven and not guard.allows(len(tail), size):
            if request.whole_answer:
                sent = guard.demand_proof(request.remote, self._loop.time())
            else:
                sent = self._reduced(guard, request, self._whole(request, response, again), size)
            tail = sent.tail()
        return sent.code, tail

    def _sendable(self, request: FastRequest, encoded: Encoded, size: int) -> Encoded:
        """What a handler has encoded itself, unless the peer does not want it or may not have it."""
        options = request.options
        last = options[-1][0] if options else 0
        if last >= numbers.NO_RESPONSE and suppressed(first_uint(options, numbers.NO_RESPONSE), encoded[0]):
            return numbers.EMPTY, b""
        guard = self._guard
        if guard is None or request.remote.proven or guard.allows(len(encoded[1]), size):
            return encoded
        demand = guard.demand_proof(request.remote, self._loop.time())
        return demand.code, demand.tail()

    def _reduced(self, guard: AmplificationGuard, request: FastRequest, whole: Response, size: int) -> Response:
        if first(whole.options, numbers.BLOCK2) is not None:
            return guard.demand_proof(request.remote, self._loop.time())
        return _with_block1(request, guard.reduce(request, whole, size, self._loop.time()))

    def _in_blocks(
        self, request: FastRequest, response: FastResponse | Response, again: bool
    ) -> FastResponse | Response:
        requested = request.block2
        exponent = min(request.remote.maximum_block_size_exp, self._settings.block_size_exponent)
        cut_already = isinstance(response, FastResponse) and response.block2 is not None
        most = request.remote.bert_bytes
        if cut_already:
            pass
        elif most and (requested is None or requested.size_exponent == BERT):
            if len(response.payload) > most or (requested is not None and requested.number):
                whole = self._whole(request, response, again)
                response = serve_blocks(whole.code, whole.options, whole.payload, requested, most)
        elif needs_blocks(len(response.payload), requested, exponent):
            whole = self._whole(request, response, again)
            response = serve_block(whole.code, whole.options, whole.payload, requested, exponent)
        return response if request.block1 is None else _with_block1(request, response)

    def _whole(self, request: FastRequest, response: FastResponse | Response, again: bool) -> Response:
        """The response with its whole body, kept when the handler cannot be asked for the other blocks."""
        whole = Response(response.code, _options(response), response.payload)
        wanted = request.block2
        is_new = wanted is None or wanted.number == 0
        if is_new and not (again and request.code == numbers.GET):
            if self._response_bodies is None:
                self._response_bodies = ResponseBodies(self._settings, self._loop.time)
            self._response_bodies.keep(request, whole)
        return whole

    # Answers that take their time

    def answer_later(self, request: FastRequest, incoming: Incoming, pending: PendingResponse | None) -> None:
        """The answer is pending, or comes from the slow path, or from within a protected request."""
        if self.protection is not None and request.is_protected:
            self.protection.receive_request(request, incoming)
            return
        if request.in_q_blocks:
            self._receive_q_blocks(request, incoming)
            return
        remote = request.remote
        settings = self._settings
        if (
            self._in_progress >= settings.requests_in_progress
            or remote.in_progress >= settings.requests_in_progress_per_remote
        ):
            incoming.reply(
                numbers.SERVICE_UNAVAILABLE, Response(0, [(numbers.MAX_AGE, encode_uint(RETRY_AFTER))]).tail()
            )
            return
        self._in_progress += 1
        remote.in_progress += 1
        if pending is None:
            self._slow(request, incoming)
        else:
            pending.then(partial(self._answered, request, incoming))

    def _receive_q_blocks(self, request: FastRequest, incoming: Incoming) -> None:
        if self._q_blocks is None:
            from lwm2m_ml.coap.qblock.server import QBlockServer  # noqa: PLC0415  # only loaded when it is used

            self._q_blocks = QBlockServer(self._settings, self)
        self._q_blocks.receive(request, incoming)

    def close(self) -> None:
        """Stop what goes by time."""
        if self._q_blocks is not None:
            self._q_blocks.close()

    def _answered(self, request: FastRequest, incoming: Incoming, response: FastResponse) -> None:
        self.done(request)
        code, tail = self.finish(request, response, incoming.size)
        incoming.reply(code, tail)

    def done(self, request: FastRequest) -> None:
        """A request that took its time is finished."""
        self._in_progress -= 1
        request.remote.in_progress -= 1


def _wants_proxy(options: Options) -> bool:
    return first(options, numbers.PROXY_URI) is not None or first(options, numbers.PROXY_SCHEME) is not None


def _with_block1(request: FastRequest, response: FastResponse | Response) -> Response:
    """The answer to a body that came in blocks names the last one (RFC 7959 §2.3)."""
    options = _options(response)
    if request.block1 is not None:
        options = [*options, (numbers.BLOCK1, request.block1.encode())]
    return Response(response.code, options, response.payload)


def _options(response: FastResponse | Response) -> Options:
    return response.options() if isinstance(response, FastResponse) else response.options
