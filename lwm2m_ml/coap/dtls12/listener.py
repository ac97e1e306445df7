"""The stateless part of a server: a ClientHello costs a cookie, and nothing is kept (RFC 6347 §4.2.1).

Cookie and ClientHello come in one record each, not in fragments: else there would be something to keep.
"""

from __future__ import annotations

from dataclasses import dataclass

from lwm2m_ml.coap.dtls12.cookies import HelloCookies
from lwm2m_ml.coap.dtls12.errors import MessageError
from lwm2m_ml.coap.dtls12.fragments import Message, parse_fragments
from lwm2m_ml.coap.dtls12.hellos import ClientHello, encode_verify_request, split_cookie
from lwm2m_ml.coap.dtls12.numbers import DTLS_1_0, HANDSHAKE, HandshakeType
from lwm2m_ml.coap.dtls12.records import Record, plain
from lwm2m_ml.coap.dtls12.server import ServerHandshake, ServerPolicy

NEXT_RECORD = 1
"""After a ClientHello with record number n, which HelloVerifyRequest repeats, ours go on with n + 1."""
_CLIENT_HELLO = bytes((HandshakeType.CLIENT_HELLO,))


@dataclass(frozen=True, slots=True)
class Greeting:
    """A ClientHello from an address that its sender receives at."""

    hello: ClientHello
    message: Message
    record_number: int

    def begin(self, policy: ServerPolicy) -> ServerHandshake:
        """Answer it. Raises HandshakeError."""
        return ServerHandshake(policy, self.hello, self.message, self.record_number + NEXT_RECORD)


class Listener:
    """Answers the ClientHellos of strangers."""

    __slots__ = ("_cookies",)

    def __init__(self, now: float) -> None:
        self._cookies = HelloCookies(now)

    def receive(self, record: Record, address: object, now: float) -> Greeting | bytes | None:
        """A greeting with a good cookie, or the datagram that brings the stranger its cookie, or nothing at all."""
        message = _client_hello(record)
        if message is None:
            return None
        try:
            shown, words = split_cookie(message.body)
            if shown and self._cookies.is_good(shown, address, words, now):
                return Greeting(ClientHello.parse(message.body), message, record.sequence_number)
        except MessageError:
            return None
        cookie = self._cookies.make(address, words, now)
        request = Message(HandshakeType.HELLO_VERIFY_REQUEST, message.sequence, encode_verify_request(cookie))
        return plain(HANDSHAKE, record.sequence_number, request.encode(), DTLS_1_0)


def is_client_hello(record: Record) -> bool:
    """Whether a record opens a handshake."""
    return record.is_plain and record.type == HANDSHAKE and record.content[:1] == _CLIENT_HELLO


def _client_hello(record: Record) -> Message | None:
    try:
        fragment = next(parse_fragments(record.content), None)
    except MessageError:
        return None
    if fragment is None or fragment.type != HandshakeType.CLIENT_HELLO or len(fragment.content) != fragment.length:
        return None
    return Message(fragment.type, fragment.sequence, fragment.content)
