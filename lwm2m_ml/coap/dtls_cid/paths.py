"""Return routability: a peer heard from a new address shows that it receives there (RFC 9146 §6, RFC 9175 §2.4).

A record that is authentic and newer than all others may still have been caught and sent from a victim's address.
Until the address is proved, everything of ours goes to the old one, and only a question goes to the new one:

    first record from there       an Empty confirmable message, sealed; the Reset with its message id is the proof
    the same request once more    4.01 with an Echo option; the request that brings the value back is the proof

All CoAP stacks reset what they do not expect (RFC 7252 §4.3); Echo is for those that do not. What the peer said
meanwhile waits, and is answered at the new address.
"""

from __future__ import annotations

import secrets

from lwm2m_ml.coap.codec import HEADER, MAXIMUM_TOKEN, encode_options, header, parse_options
from lwm2m_ml.coap.echo import EchoChallenges
from lwm2m_ml.coap.errors import MalformedMessage
from lwm2m_ml.coap.numbers import ACK, CON, ECHO, RST, UNAUTHORIZED
from lwm2m_ml.coap.options import first
from lwm2m_ml.coap.remote import SocketAddress

MOST_WAITING = 4
"""Messages kept until the address is proved."""
MOST_SENT = 3
"""How many times the bytes from an address that is not proved may be sent to it (RFC 9146 §6)."""
REQUEST_CODES = range(1, 32)


class Path:
    """A new address of a peer, under test."""

    __slots__ = ("_message_id", "_received", "_sent", "address", "waiting")

    def __init__(self, address: SocketAddress) -> None:
        self.address = address
        self.waiting: list[bytes] = []
        self._message_id = secrets.token_bytes(2)
        self._received = 0
        self._sent = 0

    def hear(self, message: bytes, size: int, challenges: EchoChallenges, now: float) -> bool:
        """Take in a message in a record of `size` bytes; returns whether it proves that its sender receives here."""
        self._received += size
        if message == b"%c\x00%b" % (0x40 | RST << 4, self._message_id):
            return True
        value = _echo(message)
        return value is not None and challenges.proves(value, self._name, now)

    def question(self, message: bytes, challenges: EchoChallenges, now: float) -> bytes:
        """What to ask the sender of a message that proves nothing, and keep the message."""
        if message in self.waiting and _is_confirmable_request(message):
            self.waiting.remove(message)
            option = encode_options([(ECHO, challenges.challenge(self._name, now))])
            token = message[HEADER : HEADER + (message[0] & 15)]
            return header(ACK, UNAUTHORIZED, int.from_bytes(message[2:4]), token) + option
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
    def _name(self) -> tuple[str, int]:
        return self.address[0], self.address[1]


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
