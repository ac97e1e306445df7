"""Server: bodies of responses in Q-Block2 bursts (RFC 9177 §4.4, §7.2)."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.assembly import Key, operation_key
from lwm2m_ml.coap.blocks import strong_etag
from lwm2m_ml.coap.codec import encode_tail, parse_options
from lwm2m_ml.coap.errors import CoapError
from lwm2m_ml.coap.fast import FastRequest
from lwm2m_ml.coap.options import Block, Options, encode_uint, first, without
from lwm2m_ml.coap.responses import Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lwm2m_ml.coap.channel import Incoming, Outcome, Transmission
    from lwm2m_ml.coap.qblock.receiver import Dispatch
    from lwm2m_ml.coap.remote import Remote
    from lwm2m_ml.coap.settings import CoapSettings

Q_BLOCK2 = frozenset({numbers.Q_BLOCK2})
SIZE2 = frozenset({numbers.SIZE2})
JITTER = 1.5
"""ACK_RANDOM_FACTOR, which spreads NON_TIMEOUT too (RFC 9177 §7.2)."""
FIRST_ERROR = 0x80


class OutgoingBody:
    """One body on its way out."""

    __slots__ = ("code", "expiry", "exponent", "options", "payload", "timer", "transmissions", "unasked", "unasked_at")

    def __init__(self, code: int, options: Options, payload: bytes, exponent: int) -> None:
        self.code = code
        self.options = without(options, SIZE2)
        self.payload = payload
        self.exponent = exponent
        self.timer: asyncio.TimerHandle | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self.transmissions: list[Transmission] = []
        self.unasked = -1
        """The first block of the last set that went out by time, and when."""
        self.unasked_at = 0.0
        if first(self.options, numbers.ETAG) is None:
            self.options.append((numbers.ETAG, strong_etag(payload)))
        self.options.append((numbers.SIZE2, encode_uint(len(payload))))

    @property
    def blocks(self) -> int:
        """How many."""
        return -(-len(self.payload) >> (self.exponent + 4)) if self.payload else 1

    def tail(self, number: int) -> bytes:
        """Options and payload of one block."""
        size = 1 << (self.exponent + 4)
        block = Block(number, number + 1 < self.blocks, self.exponent)
        part = self.payload[number * size : (number + 1) * size]
        return encode_tail([*self.options, (numbers.Q_BLOCK2, block.encode())], part)

    def pause(self) -> None:
        """Nothing goes out by time, and what went out is not tracked any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        for transmission in self.transmissions:
            transmission.stop()
        self.transmissions.clear()


class BodySender:
    """All bodies on their way out; kept for a while, as single blocks may be asked for again."""

    __slots__ = ("_bodies", "_bytes", "_dispatch", "_loop", "_settings")

    def __init__(self, settings: CoapSettings, dispatch: Dispatch) -> None:
        self._settings = settings
        self._dispatch = dispatch
        self._loop = asyncio.get_running_loop()
        self._bodies: dict[tuple[Remote, Key], OutgoingBody] = {}
        self._bytes = 0

    def receive(self, request: FastRequest, wanted: Sequence[Block], incoming: Incoming) -> None:
        """A request for a body, for its next set, or for single blocks."""
        key = (request.remote, operation_key(request.code, without(request.options, Q_BLOCK2)))
        body = self._bodies.get(key)
        begins = wanted[0].number == 0 and wanted[0].more
        if body is not None and not begins and body.exponent == wanted[0].size_exponent:
            self._serve(key, body, wanted, incoming)
            return
        inner = FastRequest(request.remote, request.code, without(request.options, Q_BLOCK2), request.payload)
        inner.whole_answer = True
        self._dispatch(inner, WholeAnswer(self, key, wanted, incoming))

    def begin(
        self, key: tuple[Remote, Key], wanted: Sequence[Block], incoming: Incoming, answer: tuple[int, bytes]
    ) -> None:
        """The whole answer is here."""
        code, tail = answer
        options, payload = parse_options(tail, 0)
        exponent = min(wanted[0].size_exponent, self._settings.block_size_exponent)
        self._drop(key)
        if code >= FIRST_ERROR or code == numbers.EMPTY or len(payload) <= 1 << (exponent + 4):
            incoming.reply(code, tail)
            return
        body = OutgoingBody(code, options, payload, exponent)
        self._keep(key, body)
        resized = [Block(block.resized(exponent).number, block.more, exponent) for block in wanted]
        self._serve(key, body, resized, incoming)

    def _keep(self, key: tuple[Remote, Key], body: OutgoingBody) -> None:
        mine = [other for other in self._bodies if other[0] is key[0]]
        if len(mine) >= self._settings.assemblies_per_remote:
            self._drop(mine[0])
        while self._bodies and self._bytes + len(body.payload) > self._settings.assembly_bytes:
            self._drop(next(iter(self._bodies)))
        self._bodies[key] = body
        self._bytes += len(body.payload)

    def _serve(self, key: tuple[Remote, Key], body: OutgoingBody, wanted: Sequence[Block], incoming: Incoming) -> None:
        self._expect_more(key, body)
        if wanted[0].more and self._is_on_its_way(body, wanted[0].number):
            incoming.reply(numbers.EMPTY, b"")
            return
        if wanted[0].more:
            self._send_set(body, wanted[0].number, incoming, replied=False)
            return
        numbers_wanted = [block.number for block in wanted if block.number < body.blocks]
        self._send(body, numbers_wanted[: self._settings.q_block_set], incoming, replied=False)

    def _is_on_its_way(self, body: OutgoingBody, start: int) -> bool:
        """Whether a request for a set crossed with the set itself: on slow paths it goes out by time before.

        A peer that did not get it asks for its blocks one by one, and not before NON_RECEIVE_TIMEOUT.
        """
        return start <= body.unasked and self._loop.time() - body.unasked_at < self._settings.q_block_receive_timeout

    def _expect_more(self, key: tuple[Remote, Key], body: OutgoingBody) -> None:
        if body.expiry is not None:
            body.expiry.cancel()
        body.expiry = self._loop.call_later(self._settings.assembly_lifetime, self._drop, key)

    def _send_set(self, body: OutgoingBody, start: int, incoming: Incoming, *, replied: bool) -> None:
        """A set at once; the next when the peer asks for it, or when it says nothing for a while (§7.2)."""
        body.pause()
        end = min(start + self._settings.q_block_set, body.blocks)
        self._send(body, range(start, end), incoming, replied=replied)
        if end < body.blocks:
            pause = self._settings.q_block_timeout * random.uniform(1.0, JITTER)
            body.timer = self._loop.call_later(pause, self._send_next_set, body, end, incoming)

    def _send_next_set(self, body: OutgoingBody, start: int, incoming: Incoming) -> None:
        self._send_set(body, start, incoming, replied=True)
        body.unasked, body.unasked_at = start, self._loop.time()

    def _send(self, body: OutgoingBody, block_numbers: Sequence[int], incoming: Incoming, *, replied: bool) -> None:
        if not block_numbers:
            if not replied:
                error = Response(0, [], b"The block is beyond the end of the body")
                incoming.reply(numbers.BAD_REQUEST, error.tail())
            return
        for number in block_numbers:
            tail = body.tail(number)
            if replied:
                body.transmissions.append(
                    incoming.notify(body.code, tail, confirmable=False, outcome=lambda error: _stop(body, error))
                )
            else:
                incoming.reply(body.code, tail)
                replied = True

    def _drop(self, key: tuple[Remote, Key]) -> None:
        body = self._bodies.pop(key, None)
        if body is not None:
            body.pause()
            if body.expiry is not None:
                body.expiry.cancel()
            self._bytes -= len(body.payload)

    def close(self) -> None:
        """Forget everything."""
        for key in list(self._bodies):
            self._drop(key)

    def __len__(self) -> int:
        return len(self._bodies)


class WholeAnswer:
    """Takes the answer of a handler uncut."""

    __slots__ = ("_incoming", "_key", "_sender", "_wanted", "remote", "size", "token")

    def __init__(
        self, sender: BodySender, key: tuple[Remote, Key], wanted: Sequence[Block], incoming: Incoming
    ) -> None:
        self._sender = sender
        self._key = key
        self._wanted = wanted
        self._incoming = incoming
        self.remote = incoming.remote
        self.token = incoming.token
        self.size = incoming.size

    def reply(self, code: int, tail: bytes) -> None:
        """Begin to send it."""
        self._sender.begin(self._key, self._wanted, self._incoming, (code, tail))

    def notify(self, code: int, tail: bytes, *, confirmable: bool, outcome: Outcome) -> Transmission:
        """Notifications are not sent in bursts."""
        return self._incoming.notify(code, tail, confirmable=confirmable, outcome=outcome)


def _stop(body: OutgoingBody, error: CoapError | None) -> None:
    """The peer reset a block: it wants no more of them."""
    if error is not None:
        body.pause()
