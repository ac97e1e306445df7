"""RFC 7252 §4: confirmable and non-confirmable messages, acknowledgements, resets, retransmission, duplicates.

One datagram comes in through `receive`. What it becomes:

    Empty CON              ping: answered by RST                              §4.3
    Empty ACK, RST         ends the exchange with that message id             §4.2
    request CON, NON       seen before: the same answer again (CON)           §4.5
                           else: options, fast handler, or the slow path      §5.2
    response ACK           ends the exchange, goes to the requester           §5.2.1
    response CON, NON      goes to the requester; ACK, or RST if unexpected   §5.2.2, §4.3
                           (a notification may keep its ACK back)
    anything malformed     CON: RST, else ignored                             §4.2, §4.3
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from lwm2m_ml.coap.codec import HEADER, MAXIMUM_TOKEN, RawMessage, check_header, encode_options, header, parse_options
from lwm2m_ml.coap.deduplication import NO_ANSWER_YET
from lwm2m_ml.coap.errors import CoapError, MalformedMessage, PeerBusy, PeerReset, RequestTimeout, UnusableOption
from lwm2m_ml.coap.exchange import Exchange
from lwm2m_ml.coap.fast import FastRequest
from lwm2m_ml.coap.incoming import DatagramRequest
from lwm2m_ml.coap.numbers import ACK, BAD_OPTION, CON, EMPTY, NON, REQUEST_ENTITY_TOO_LARGE, RST, SIZE1
from lwm2m_ml.coap.options import encode_uint, usable
from lwm2m_ml.coap.receipt import Receipt
from lwm2m_ml.coap.round_trip import RoundTrip

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Outcome
    from lwm2m_ml.coap.remote import Remote
    from lwm2m_ml.coap.requester import Requester
    from lwm2m_ml.coap.responder import Responder
    from lwm2m_ml.coap.settings import CoapSettings

SendDatagram = Callable[[bytes, "Remote"], None]
REQUEST_CODES = range(1, 32)
REQUEST_FIRST_NIBBLE = 0b0100
"""Version 1, confirmable."""


class MessageLayer:
    """The message layer of one datagram transport."""

    __slots__ = (
        "_acknowledging",
        "_closed",
        "_exchanges",
        "_requester",
        "_responder",
        "_send",
        "_unanswered",
        "loop",
        "settings",
    )

    def __init__(self, settings: CoapSettings, requester: Requester, responder: Responder, send: SendDatagram) -> None:
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self._requester = requester
        self._responder = responder
        self._send = send
        self._exchanges: dict[tuple[Remote, int], Exchange] = {}
        self._unanswered: deque[tuple[float, DatagramRequest]] = deque()
        self._acknowledging: asyncio.TimerHandle | None = None
        self._closed = False

    # Receiving

    def receive(self, datagram: bytes, remote: Remote) -> None:
        """Take in one datagram."""
        length = len(datagram)
        if length < HEADER or datagram[0] >> 6 != 1:
            return
        if remote.listener is not None:
            remote.listener(True, datagram)
        first = datagram[0]
        code = datagram[1]
        message_type = first >> 4 & 3
        try:
            check_header(first & 15, code, length)
            if code == EMPTY:
                self._receive_empty(datagram, remote, message_type)
            elif code < 32:
                self._receive_request(datagram, remote, message_type, HEADER + (first & 15))
            else:
                self._receive_response(datagram, remote, message_type, HEADER + (first & 15))
        except MalformedMessage:
            self._reject(datagram, remote, message_type)

    def refuse_too_large(self, datagram: bytes, remote: Remote) -> None:
        """A datagram that was cut off: a confirmable request is told how large it may be (RFC 7252 §4.6)."""
        token_end = HEADER + (datagram[0] & 15)
        is_request = datagram[0] >> 4 == REQUEST_FIRST_NIBBLE and datagram[1] in REQUEST_CODES
        if is_request and token_end <= HEADER + MAXIMUM_TOKEN:
            size1 = encode_options([(SIZE1, encode_uint(self.settings.maximum_request_body))])
            token = datagram[HEADER:token_end]
            incoming = DatagramRequest(self, remote, datagram, token)
            incoming.reply(REQUEST_ENTITY_TOO_LARGE, size1)

    def _reject(self, datagram: bytes, remote: Remote, message_type: int) -> None:
        if message_type == CON:
            self._send(b"\x70\x00" + datagram[2:4], remote)

    def _receive_empty(self, datagram: bytes, remote: Remote, message_type: int) -> None:
        if message_type == CON:
            self._reject(datagram, remote, CON)
        elif message_type in (ACK, RST):
            exchange = self._exchanges.get((remote, datagram[2] << 8 | datagram[3]))
            if exchange is not None:
                self._end(exchange, PeerReset("The peer reset the message") if message_type == RST else None)

    def _receive_request(self, datagram: bytes, remote: Remote, message_type: int, start: int) -> None:
        if message_type > NON:
            return
        now = self.loop.time()
        key = hash(datagram)
        known = remote.answers.seen(key, now)
        if known is not None:
            if known:
                self._send(known, remote)
            return
        options, payload = parse_options(datagram, start)
        try:
            request = FastRequest(remote, datagram[1], usable(options), payload)
        except UnusableOption as error:
            self._refuse(datagram, remote, message_type, start, error)
            return
        answer = self._responder.answer(request, len(datagram))
        if type(answer) is tuple and message_type == CON and answer[0]:
            out = b"%c%c%b%b" % (0x60 | start - HEADER, answer[0], datagram[2:start], answer[1])
            remote.answers.remember(key, out, now)
            self._send(out, remote)
            return
        remote.answers.remember(key, NO_ANSWER_YET, now)
        incoming = DatagramRequest(self, remote, datagram, datagram[HEADER:start])
        if isinstance(answer, tuple):
            incoming.reply(*answer)
        else:
            if message_type == CON:
                self._acknowledge_soon(incoming, now)
            self._responder.answer_later(request, incoming, answer)

    def _acknowledge_soon(self, incoming: DatagramRequest, now: float) -> None:
        """The answer takes its time: acknowledge the request before the peer repeats it. One timer serves all."""
        self._unanswered.append((now + self.settings.empty_ack_delay, incoming))
        if self._acknowledging is None:
            self._acknowledging = self.loop.call_at(self._unanswered[0][0], self._acknowledge)

    def _acknowledge(self) -> None:
        unanswered, now = self._unanswered, self.loop.time()
        while unanswered and (unanswered[0][1].answered or unanswered[0][0] <= now):
            incoming = unanswered.popleft()[1]
            if not incoming.answered:
                incoming.acknowledge()
        self._acknowledging = self.loop.call_at(unanswered[0][0], self._acknowledge) if unanswered else None

    def _refuse(self, datagram: bytes, remote: Remote, message_type: int, start: int, error: UnusableOption) -> None:
        """A critical option that cannot be used: 4.02 for CON, silence for NON (RFC 7252 §5.4.1)."""
        if message_type == CON:
            incoming = DatagramRequest(self, remote, datagram, datagram[HEADER:start])
            incoming.reply(BAD_OPTION, b"\xff" + error.message.encode() if remote.proven else b"")

    def _receive_response(self, datagram: bytes, remote: Remote, message_type: int, start: int) -> None:
        if message_type == ACK:
            self._receive_piggybacked(datagram, remote, start)
            return
        if message_type == RST:
            return
        now = self.loop.time()
        key = hash(datagram)
        known = remote.answers.seen(key, now)
        if known is not None:
            if known:
                self._send(known, remote)
            return
        if message_type == NON:
            remote.answers.remember(key, NO_ANSWER_YET, now)
            if not self._hand_over(datagram, remote, NON, start):
                self._send(b"\x70\x00" + datagram[2:4], remote)
            return
        receipt = Receipt(partial(self._settle, datagram, remote))
        remote.answers.remember(key, NO_ANSWER_YET, now)
        expected = self._hand_over(datagram, remote, CON, start, receipt)
        if not receipt.kept_back:
            self._confirm(datagram, remote, b"\x60\x00" if expected else b"\x70\x00")

    def _settle(self, datagram: bytes, remote: Remote, accepted: bool) -> None:
        """What was kept back is acknowledged, or forgotten, so that it is heard when the peer repeats it."""
        if accepted:
            self._confirm(datagram, remote, b"\x60\x00")
        else:
            remote.answers.forget(hash(datagram))

    def _confirm(self, datagram: bytes, remote: Remote, head: bytes) -> None:
        answer = head + datagram[2:4]
        remote.answers.remember(hash(datagram), answer, self.loop.time())
        self._send(answer, remote)

    def _receive_piggybacked(self, datagram: bytes, remote: Remote, start: int) -> None:
        exchange = self._exchanges.get((remote, datagram[2] << 8 | datagram[3]))
        if exchange is None:
            return
        self._acknowledged(exchange)
        if not self._hand_over(datagram, remote, ACK, start):
            exchange.outcome(None)

    def _hand_over(
        self, datagram: bytes, remote: Remote, message_type: int, start: int, receipt: Receipt | None = None
    ) -> bool:
        """Give a response to whoever waits for it; False when nobody does or it cannot be used."""
        token = datagram[HEADER:start]
        try:
            options, payload = parse_options(datagram, start)
            message = RawMessage(message_type, datagram[1], 0, token, usable(options), payload, receipt)
        except CoapError as error:
            if message_type == ACK:
                self._requester.fail(remote, token, error)
            return False
        return self._requester.receive(remote, message)

    # Sending

    def transmit(
        self, remote: Remote, code: int, token: bytes, tail: bytes, *, confirmable: bool, outcome: Outcome
    ) -> Exchange:
        """Send a request or a notification; it waits its turn when NSTART others are under way."""
        exchange = Exchange(self, remote, confirmable, outcome)
        start = partial(self._start, exchange, code, token, tail)
        if not confirmable or remote.in_flight < self.settings.nstart:
            start()
            return exchange
        if remote.backlog is None:
            remote.backlog = deque()
        if len(remote.backlog) >= self.settings.backlog_per_remote:
            raise PeerBusy(f"{len(remote.backlog)} messages already wait for {remote.hostinfo}")
        remote.backlog.append(start)
        return exchange

    def transmit_now(self, remote: Remote, code: int, token: bytes, tail: bytes, *, confirmable: bool) -> None:
        """Send a separate response: the peer waits for it, so it does not queue behind our own requests."""
        if confirmable:
            self._start(Exchange(self, remote, True, _nobody_asks), code, token, tail)
        else:
            self._send(header(NON, code, self._free_message_id(remote), token) + tail, remote)

    def send_bytes(self, datagram: bytes, remote: Remote) -> None:
        """Send a datagram that is not tracked: an acknowledgement, a piggybacked response."""
        self._send(datagram, remote)

    def _start(self, exchange: Exchange, code: int, token: bytes, tail: bytes) -> None:
        remote = exchange.remote
        if exchange.stopped or self._closed:
            return
        exchange.message_id = self._free_message_id(remote)
        message_type = CON if exchange.confirmable else NON
        exchange.datagram = header(message_type, code, exchange.message_id, token) + tail
        if exchange.confirmable:
            remote.in_flight += 1
            exchange.sent_at = self.loop.time()
            exchange.timeout = self._first_timeout(remote, exchange.sent_at)
            exchange.timer = self.loop.call_later(exchange.timeout, self._retransmit, exchange)
        else:
            exchange.timer = self.loop.call_later(self.settings.exchange_lifetime, self._forget, exchange)
        self._exchanges[remote, exchange.message_id] = exchange
        self._send(exchange.datagram, remote)

    def _free_message_id(self, remote: Remote) -> int:
        message_id = remote.next_message_id()
        while (remote, message_id) in self._exchanges:
            message_id = remote.next_message_id()
        return message_id

    def _first_timeout(self, remote: Remote, now: float) -> float:
        settings = self.settings
        base = settings.ack_timeout if remote.round_trip is None else remote.round_trip.timeout(settings, now)
        return base * random.uniform(1.0, settings.ack_random_factor)

    def _retransmit(self, exchange: Exchange) -> None:
        if exchange.retransmissions >= self.settings.max_retransmit:
            self._end(exchange, RequestTimeout(f"{exchange.remote.hostinfo} did not acknowledge the message"))
            return
        exchange.retransmissions += 1
        exchange.timeout *= 2
        exchange.timer = self.loop.call_later(exchange.timeout, self._retransmit, exchange)
        self._send(exchange.datagram, exchange.remote)

    def _end(self, exchange: Exchange, error: CoapError | None) -> None:
        """The peer answered, or will not."""
        if error is None:
            self._acknowledged(exchange)
        else:
            self._forget(exchange)
        exchange.outcome(error)

    def _acknowledged(self, exchange: Exchange) -> None:
        if exchange.confirmable and exchange.retransmissions == 0:
            self._measure(exchange)
        exchange.remote.proven = True
        self._forget(exchange)

    def _measure(self, exchange: Exchange) -> None:
        """Only messages sent once tell the round-trip time (RFC 6298 §3)."""
        now = self.loop.time()
        remote = exchange.remote
        if remote.round_trip is None:
            remote.round_trip = RoundTrip(now - exchange.sent_at, now)
        else:
            remote.round_trip.add(now - exchange.sent_at, now)

    def stop(self, exchange: Exchange) -> None:
        """Nobody waits for the exchange any more."""
        self._forget(exchange)

    def _forget(self, exchange: Exchange) -> None:
        exchange.stopped = True
        if exchange.timer is not None:
            exchange.timer.cancel()
            exchange.timer = None
        if self._exchanges.pop((exchange.remote, exchange.message_id), None) and exchange.confirmable:
            exchange.remote.in_flight -= 1
            self._start_waiting(exchange.remote)

    def _start_waiting(self, remote: Remote) -> None:
        while remote.backlog and remote.in_flight < self.settings.nstart:
            remote.backlog.popleft()()
        if not remote.backlog:
            remote.backlog = None  # an empty one takes as much as all else that is known of a peer

    def close(self) -> None:
        """Stop every timer; nothing is begun any more."""
        self._closed = True
        if self._acknowledging is not None:
            self._acknowledging.cancel()
        for exchange in list(self._exchanges.values()):
            exchange.remote.backlog = None
            self._forget(exchange)


def _nobody_asks(_error: CoapError | None) -> None:
    """The outcome of a separate response: the peer repeats its request if it did not get it."""
