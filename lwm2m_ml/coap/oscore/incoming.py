"""A request that was opened, and the way back for its answers (RFC 8613 §8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lwm2m_ml.coap.codec import encode_tail, parse_options
from lwm2m_ml.coap.numbers import ECHO, EMPTY, UNAUTHORIZED
from lwm2m_ml.coap.oscore.remote import Postponed
from lwm2m_ml.coap.oscore.security import BareMessage, RequestBinding

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Incoming, Outcome, Transmission
    from lwm2m_ml.coap.errors import CoapError
    from lwm2m_ml.coap.oscore.active import ActiveContext


class ProtectedRequest:
    """Seals answers; the first may use the nonce of the request, every further one has a number of its own."""

    __slots__ = ("_active", "_binding", "_incoming", "remote", "size", "token")

    def __init__(self, active: ActiveContext, binding: RequestBinding, incoming: Incoming) -> None:
        self._active = active
        self._binding = binding
        self._incoming = incoming
        self.remote = active.remote
        self.token = incoming.token
        self.size = incoming.size

    def reply(self, code: int, tail: bytes) -> None:
        """Send the answer, sealed."""
        if code == EMPTY:
            self._incoming.reply(EMPTY, b"")
            return
        if self._binding.observed:
            # Proxies order notifications, the first one too, by a number that is visible: the sequence number.
            self._reply_with_number(code, tail)
        else:
            self._answer(self._seal(code, tail, None))

    def demand_echo(self) -> None:
        """Ask for proof of freshness; with a number of its own, as the request may be a replay of an answered one."""
        self._reply_with_number(UNAUTHORIZED, encode_tail([(ECHO, self._active.echo)], b""))

    def _reply_with_number(self, code: int, tail: bytes) -> None:
        self._active.with_number(lambda number: self._answer(self._seal(code, tail, number)), self._give_up)

    def _give_up(self, _error: CoapError) -> None:
        """Without a number there is no answer; the peer asks again."""
        self._incoming.reply(EMPTY, b"")

    def notify(self, code: int, tail: bytes, *, confirmable: bool, outcome: Outcome) -> Transmission:
        """Send a further response, sealed."""

        def send(number: int) -> Transmission:
            sealed = self._seal(code, tail, number)
            # The peer may be somewhere else by now: the request's own way back is the old one.
            return self.remote.oscore_channel.carry(sealed, self.token, confirmable=confirmable, outcome=outcome)

        return Postponed(self._active, send, outcome)

    def _seal(self, code: int, tail: bytes, number: int | None) -> BareMessage:
        options, payload = parse_options(tail, 0)
        return self._active.security.seal_response(BareMessage(code, options, payload), self._binding, number)

    def _answer(self, sealed: BareMessage) -> None:
        tail = encode_tail(sealed.options, sealed.payload)
        self.remote.bytes_out += len(tail)
        self._incoming.reply(sealed.code, tail)
