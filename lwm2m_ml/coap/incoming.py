"""A request that arrived in a datagram and is not answered yet (RFC 7252 §5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lwm2m_ml.coap.codec import HEADER
from lwm2m_ml.coap.numbers import CON, EMPTY

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Outcome, Transmission
    from lwm2m_ml.coap.message_layer import MessageLayer
    from lwm2m_ml.coap.remote import Remote


ACKNOWLEDGEMENT = 0x60
"""Version 1, type ACK, in the first byte of a message."""


class DatagramRequest:
    """Decides between a piggybacked and a separate response."""

    __slots__ = (
        "_acknowledged",
        "_id_and_token",
        "_key",
        "_layer",
        "answered",
        "confirmable",
        "remote",
        "size",
        "token",
    )

    def __init__(self, layer: MessageLayer, remote: Remote, datagram: bytes, token: bytes) -> None:
        self._layer = layer
        self._key = hash(datagram)
        self._id_and_token = datagram[2 : HEADER + len(token)]
        self._acknowledged = False
        self.answered = False
        self.remote = remote
        self.token = token
        self.size = len(datagram)
        self.confirmable = datagram[0] >> 4 & 3 == CON

    def acknowledge(self) -> None:
        """Say that the request is here and its answer will take its time."""
        self._acknowledged = True
        self._send_and_remember(b"\x60\x00" + self._id_and_token[:2])

    def _send_and_remember(self, answer: bytes) -> None:
        layer = self._layer
        self.remote.answers.remember(self._key, answer, layer.loop.time())
        layer.send_bytes(answer, self.remote)

    def reply(self, code: int, tail: bytes) -> None:
        """Send the answer: in the acknowledgement when that has not left, else by itself; code 0 is no answer."""
        self.answered = True
        if code == EMPTY:
            if self.confirmable and not self._acknowledged:
                self.acknowledge()
        elif self.confirmable and not self._acknowledged:
            self._acknowledged = True
            first = ACKNOWLEDGEMENT | len(self.token)
            self._send_and_remember(b"%c%c%b%b" % (first, code, self._id_and_token, tail))
        else:
            self._layer.transmit_now(self.remote, code, self.token, tail, confirmable=self.confirmable)

    def notify(self, code: int, tail: bytes, *, confirmable: bool, outcome: Outcome) -> Transmission:
        """Send a further response under the token of the request (RFC 7641 §4.2)."""
        return self._layer.transmit(self.remote, code, self.token, tail, confirmable=confirmable, outcome=outcome)
