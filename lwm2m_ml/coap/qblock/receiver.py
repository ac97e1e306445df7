"""Server: bodies of requests that come in Q-Block1 bursts (RFC 9177 §4.3, §7.2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.assembly import Key, operation_key
from lwm2m_ml.coap.errors import BlockTransferError, CoapError
from lwm2m_ml.coap.fast import FastRequest
from lwm2m_ml.coap.options import Block, encode_uint, first_uint, without
from lwm2m_ml.coap.qblock.collector import Collector, TooLarge
from lwm2m_ml.coap.qblock.missing import MISSING_BLOCKS, encode_missing
from lwm2m_ml.coap.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lwm2m_ml.coap.channel import Incoming, Outcome, Transmission
    from lwm2m_ml.coap.remote import Remote
    from lwm2m_ml.coap.settings import CoapSettings

    Dispatch = Callable[[FastRequest, Incoming], None]

TRANSFER_OPTIONS = frozenset({numbers.Q_BLOCK1, numbers.SIZE1, numbers.REQUEST_TAG})


class IncomingBody:
    """One body on its way in, and for a while after it came its answer, which may have been lost."""

    __slots__ = ("answer", "collector", "is_handled", "latest", "reminders", "reported", "timer")

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.latest: Incoming | None = None
        self.is_handled = False
        self.answer: tuple[int, bytes] | None = None
        self.reminders = 0
        self.reported = -1
        self.timer: asyncio.TimerHandle | None = None

    def cancel_timer(self) -> None:
        """No reminder by time."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class BodyReceiver:
    """All bodies on their way in: a few per peer, a number of bytes together, none for longer than a lifetime."""

    __slots__ = ("_bodies", "_bytes", "_dispatch", "_loop", "_settings")

    def __init__(self, settings: CoapSettings, dispatch: Dispatch) -> None:
        self._settings = settings
        self._dispatch = dispatch
        self._loop = asyncio.get_running_loop()
        self._bodies: dict[tuple[Remote, Key], IncomingBody] = {}
        self._bytes = 0

    def receive(self, request: FastRequest, block: Block, incoming: Incoming) -> None:
        """One block."""
        key = (request.remote, operation_key(request.code, request.options))
        body = self._bodies.get(key) or self._begin(key)
        if body.is_handled:
            incoming.reply(*(body.answer or (numbers.EMPTY, b"")))
            return
        before = body.collector.received_bytes
        try:
            size = first_uint(request.options, numbers.SIZE1)
            if size is not None:
                body.collector.announce(size, block.size_exponent)
            body.collector.add(block, request.payload)
        except BlockTransferError as error:
            self._drop(key)
            incoming.reply(*self._refusal(error))
            return
        self._bytes += body.collector.received_bytes - before
        body.latest = incoming
        body.reminders = 0
        if body.collector.is_complete:
            self._complete(key, body, request, incoming)
        else:
            incoming.reply(*self._progress(body, block))
            self._arm(key, body)

    def _begin(self, key: tuple[Remote, Key]) -> IncomingBody:
        mine = [other for other in self._bodies if other[0] is key[0]]
        if len(mine) >= self._settings.assemblies_per_remote:
            self._drop(mine[0])
        while self._bodies and self._bytes >= self._settings.assembly_bytes:
            self._drop(next(iter(self._bodies)))
        body = IncomingBody(Collector(self._settings.maximum_request_body, self._settings.q_block_set))
        self._bodies[key] = body
        return body

    def _refusal(self, error: BlockTransferError) -> tuple[int, bytes]:
        if isinstance(error, TooLarge):
            limit = (numbers.SIZE1, encode_uint(self._settings.maximum_request_body))
            return numbers.REQUEST_ENTITY_TOO_LARGE, Response(0, [limit]).tail()
        return numbers.BAD_REQUEST, Response(0, [], error.message.encode()).tail()

    def _progress(self, body: IncomingBody, block: Block) -> tuple[int, bytes]:
        """Continue after a whole set, the missing blocks when a later set begins, else nothing (§4.3)."""
        collector = body.collector
        if collector.is_at_end_of_set:
            last = Block(collector.next_missing - 1, True, block.size_exponent)
            return numbers.CONTINUE, Response(0, [(numbers.Q_BLOCK1, last.encode())]).tail()
        this_set = block.number // self._settings.q_block_set
        if collector.has_gap_before_this_set and body.reported < this_set:
            body.reported = this_set
            return self._missing(collector.missing_before_this_set())
        return numbers.EMPTY, b""

    def _missing(self, blocks: Sequence[int]) -> tuple[int, bytes]:
        options = [(numbers.CONTENT_FORMAT, encode_uint(MISSING_BLOCKS))]
        payload = encode_missing(blocks)
        return numbers.REQUEST_ENTITY_INCOMPLETE, Response(0, options, payload).tail()

    def _complete(self, key: tuple[Remote, Key], body: IncomingBody, request: FastRequest, incoming: Incoming) -> None:
        body.is_handled = True
        body.cancel_timer()
        body.timer = self._loop.call_later(self._settings.assembly_lifetime, self._drop, key)
        whole = body.collector.body()
        self._release(body)
        options = without(request.options, TRANSFER_OPTIONS)
        inner = FastRequest(request.remote, request.code, options, whole)
        self._dispatch(inner, RememberedAnswer(body, incoming))

    def _release(self, body: IncomingBody) -> None:
        self._bytes -= body.collector.received_bytes
        body.collector = Collector(0, self._settings.q_block_set)

    def _arm(self, key: tuple[Remote, Key], body: IncomingBody) -> None:
        body.cancel_timer()
        body.timer = self._loop.call_later(self._settings.q_block_receive_timeout, self._remind, key, body)

    def _remind(self, key: tuple[Remote, Key], body: IncomingBody) -> None:
        """Nothing came for a while: tell what is missing, a few times (§7.2, NON_RECEIVE_TIMEOUT)."""
        body.reminders += 1
        if body.reminders > self._settings.q_block_retransmit or body.latest is None:
            self._drop(key)
            return
        code, tail = self._missing(body.collector.missing())
        body.latest.notify(code, tail, confirmable=False, outcome=_nobody_asks)
        self._arm(key, body)

    def _drop(self, key: tuple[Remote, Key]) -> None:
        body = self._bodies.pop(key, None)
        if body is not None:
            body.cancel_timer()
            self._bytes -= body.collector.received_bytes

    def close(self) -> None:
        """Forget everything."""
        for key in list(self._bodies):
            self._drop(key)

    def __len__(self) -> int:
        return len(self._bodies)


class RememberedAnswer:
    """The way back of a whole request; a client that did not get the answer repeats a block and gets it again."""

    __slots__ = ("_body", "_incoming", "remote", "size", "token")

    def __init__(self, body: IncomingBody, incoming: Incoming) -> None:
        self._body = body
        self._incoming = incoming
        self.remote = incoming.remote
        self.token = incoming.token
        self.size = incoming.size

    def reply(self, code: int, tail: bytes) -> None:
        """Send and keep the answer."""
        self._body.answer = (code, tail)
        self._incoming.reply(code, tail)

    def notify(self, code: int, tail: bytes, *, confirmable: bool, outcome: Outcome) -> Transmission:
        """Send a further response."""
        return self._incoming.notify(code, tail, confirmable=confirmable, outcome=outcome)


def _nobody_asks(_error: CoapError | None) -> None:
    """A reminder that is lost is repeated by its timer."""
