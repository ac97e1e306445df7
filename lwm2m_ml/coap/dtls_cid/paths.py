"""What a peer has to prove before it is believed: that it receives where it was heard, or that it is no recording.

A record that is authentic and newer than all others may still have been caught and sent from a victim's address
(RFC 9146 §6). Until the address is proved, everything of ours goes to the old one, and only a question to the new one:

    first record from there       an Empty confirmable message, sealed; the Reset with its message id is the proof
    the same request once more    4.01 with an Echo option; the request that brings the value back is the proof

All CoAP stacks reset what they do not expect (RFC 7252 §4.3); Echo (RFC 9175 §2.4) is for those that do not. What the
peer said meanwhile waits, and is answered at the new address.

Of a session that another process had, nobody knows here what it opened: any record may be one that it heard already,
sent again. Sixteen bits of a message id would not tell a recorded Reset from a fresh one, so that the question is
another one, and what is said meanwhile is dropped; the peer repeats what matters:

    a record                      GET of 16 bytes of /.well-known/core; any response with its token is the proof
    the same request, again and again    4.01 with an Echo option, as above

Every CoAP server answers that GET in some way, be it 4.04. Token and Echo value are 64 random bits, made for this
question, so that the answer is younger than the question (RFC 7252 §5.3.1).
"""

from __future__ import annotations

import hmac
import secrets

from lwm2m_ml.coap.codec import HEADER, MAXIMUM_TOKEN, encode_options, header, parse_options
from lwm2m_ml.coap.echo import EchoChallenges
from lwm2m_ml.coap.errors import MalformedMessage
from lwm2m_ml.coap.numbers import ACK, BLOCK2, CON, ECHO, GET, RST, UNAUTHORIZED, URI_PATH
from lwm2m_ml.coap.options import first
from lwm2m_ml.coap.remote import TOKEN_BYTES, SocketAddress

MOST_WAITING = 4
"""Messages kept until the address is proved."""
MOST_SENT = 3
"""How many times the bytes from an address that is not proved may be sent to it (RFC 9146 §6)."""
REQUEST_CODES = range(1, 32)
RESPONSE_CODES = range(0x40, 0xC0)
REPEATED = 3
"""How often a request has to come before a peer that does not answer a GET is asked by Echo."""
MOST_QUESTIONS = 16
"""A peer that has answered none of so many never will."""
SMALLEST_BLOCK = b""
"""Block2 number 0 with blocks of 16 bytes (RFC 7959 §2.2)."""


class Path:
    """A new address of a peer, under test."""

    __slots__ = ("_message_id", "_received", "_sent", "address", "waiting")

    def __init__(self, address: SocketAddress) -> None:
        self.address = address
        self.waiting: list[bytes] = []
        """What to answer when the address is proved."""
        self._message_id = secrets.token_bytes(2)
        self._received = 0
        self._sent = 0

    def hear(self, message: bytes, size: int, challenges: EchoChallenges, now: float) -> bool:
        """Take in a message in a record of `size` bytes; returns whether it proves what is to be proved."""
        self._received += size
        return self._is_proof(message, challenges, now)

    def question(self, message: bytes, challenges: EchoChallenges, now: float) -> bytes:
        """What to ask the sender of a message that proves nothing, and keep the message."""
        if message in self.waiting and _is_confirmable_request(message):
            self.waiting.remove(message)
            return _unauthorized(message, challenges.challenge(self._name, now))
        if len(self.waiting) < MOST_WAITING and message not in self.waiting:
            self.waiting.append(message)
        return b"\x40\x00" + self._message_id

    def may_send(self, size: int) -> bool:
        """Whether so many bytes more may go to the address; counts them if so."""
        if self._sent + size > MOST_SENT * self._received:
            return False
        self._sent += size
        return True

    @property
    def is_hopeless(self) -> bool:
        """Whether the peer will never prove anything."""
        return False

    def _is_proof(self, message: bytes, challenges: EchoChallenges, now: float) -> bool:
        if message == b"%c\x00%b" % (0x40 | RST << 4, self._message_id):
            return True
        value = _echo(message)
        return value is not None and challenges.proves(value, self._name, now)

    @property
    def _name(self) -> tuple[str, int]:
        return self.address[0], self.address[1]


class Revival(Path):
    """A session that goes on here, under test: whoever speaks there has to be the peer, now."""

    __slots__ = ("_asked", "_heard", "_secret")

    def __init__(self, address: SocketAddress, secret: bytes = b"") -> None:
        """`secret` is the token of a request of ours that was made for this, if there is one."""
        super().__init__(address)
        self._secret = secret if len(secret) == TOKEN_BYTES else secrets.token_bytes(TOKEN_BYTES)
        self._heard: dict[bytes, int] = {}
        self._asked = 0

    def question(self, message: bytes, challenges: EchoChallenges, now: float) -> bytes:
        """What to ask the sender of a message that proves nothing; the message is dropped."""
        self._asked += 1
        times = self._heard.get(message, 0) + 1
        if message in self._heard or len(self._heard) < MOST_WAITING:
            self._heard[message] = times
        if times >= REPEATED and _is_confirmable_request(message):
            return _unauthorized(message, self._secret)
        where = ((URI_PATH, b".well-known"), (URI_PATH, b"core"), (BLOCK2, SMALLEST_BLOCK))
        return header(CON, GET, int.from_bytes(self._message_id), self._secret) + encode_options(where)

    @property
    def is_hopeless(self) -> bool:
        """Whether the peer will never prove anything."""
        return self._asked >= MOST_QUESTIONS

    def _is_proof(self, message: bytes, challenges: EchoChallenges, now: float) -> bool:
        if len(message) >= HEADER and message[1] in RESPONSE_CODES:
            shown = message[HEADER : HEADER + (message[0] & 15)]
        else:
            shown = _echo(message) or b""
        return hmac.compare_digest(shown, self._secret)


def token_of(message: bytes) -> bytes:
    """The token of a request of ours; empty when the message is none."""
    is_request = len(message) >= HEADER and message[1] in REQUEST_CODES
    return message[HEADER : HEADER + (message[0] & 15)] if is_request else b""


def _unauthorized(request: bytes, value: bytes) -> bytes:
    token = request[HEADER : HEADER + (request[0] & 15)]
    return header(ACK, UNAUTHORIZED, int.from_bytes(request[2:4]), token) + encode_options([(ECHO, value)])


def _is_confirmable_request(message: bytes) -> bool:
    if len(message) < HEADER or message[0] & 15 > MAXIMUM_TOKEN:
        return False
    return message[0] >> 4 == 0b0100 | CON and message[1] in REQUEST_CODES


def _echo(message: bytes) -> bytes | None:
    if not _is_confirmable_request(message):
        return None
    try:
        options, _ = parse_options(message, HEADER + (message[0] & 15))
    except MalformedMessage:
        return None
    return first(options, ECHO)
