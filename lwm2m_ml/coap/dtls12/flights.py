"""Flights: the messages that leave together, their datagrams, and when they leave again (RFC 6347 §4.1.1.1, §4.2.4)."""

from __future__ import annotations

from collections.abc import Iterator

from lwm2m_ml.coap.dtls12.fragments import cut
from lwm2m_ml.coap.dtls12.numbers import HANDSHAKE
from lwm2m_ml.coap.dtls12.records import HEADER_BYTES, change_cipher_spec, plain
from lwm2m_ml.coap.dtls12.session import Session

LARGEST_DATAGRAM = 1200
CAREFUL_DATAGRAM = 512
"""Every path carries this; it is tried when repetitions of larger datagrams got no answer."""
PATIENCE_WITH_LARGE = 2
SEALED_OVERHEAD = 64
"""More than a sealed record is larger than its content, connection id of ordinary length included."""
FIRST_TIMEOUT = 1.0
LONGEST_TIMEOUT = 60.0
MOST_ANSWERS = 8
"""Repetitions of the peer that are answered with one of ours; beyond that only our own timer counts."""


class Flight:
    """The last messages we sent, encoded; those after the change of cipher are sealed."""

    __slots__ = ("_answers", "_plain", "_repetitions", "_sealed", "number")

    def __init__(self, number: int) -> None:
        """`number` is the sequence number of the next record in epoch 0."""
        self.number = number
        self._plain: list[bytes] = []
        self._sealed: bytes | None = None
        self._repetitions = 0
        self._answers = 0

    def begin(self) -> None:
        """Forget the messages before: the peer has answered them."""
        self._plain = []
        self._repetitions = self._answers = 0

    def add(self, message: bytes) -> None:
        """Send this in epoch 0."""
        self._plain.append(message)

    def change_and_add(self, message: bytes) -> None:
        """Announce epoch 1 and send this in it."""
        self._sealed = message

    @property
    def timeout(self) -> float:
        """Seconds until the flight must be repeated: doubled each time (RFC 6347 §4.2.4.1)."""
        return min(FIRST_TIMEOUT * (1 << self._repetitions), LONGEST_TIMEOUT)

    def datagrams(self, session: Session | None) -> list[bytes]:
        """The flight as it leaves now; sequence numbers of records are new each time."""
        most = CAREFUL_DATAGRAM if self._repetitions > PATIENCE_WITH_LARGE else LARGEST_DATAGRAM
        packed: list[bytes] = []
        for record in self._records(session, most):
            if packed and len(packed[-1]) + len(record) <= most:
                packed[-1] += record
            else:
                packed.append(record)
        return packed

    def _records(self, session: Session | None, most: int) -> Iterator[bytes]:
        for message in self._plain:
            for fragment in cut(message, most - HEADER_BYTES):
                yield plain(HANDSHAKE, self._take_number(), fragment)
        if self._sealed is not None and session is not None:
            yield change_cipher_spec(self._take_number())
            for fragment in cut(self._sealed, most - SEALED_OVERHEAD):
                yield session.seal(fragment, HANDSHAKE)

    def _take_number(self) -> int:
        number, self.number = self.number, self.number + 1
        return number

    def repeat(self, session: Session | None) -> list[bytes]:
        """The time is up."""
        self._repetitions += 1
        return self.datagrams(session)

    def answer_repetition(self, session: Session | None) -> list[bytes]:
        """The peer repeats what this flight answered: it did not arrive."""
        if self._answers >= MOST_ANSWERS:
            return []
        self._answers += 1
        return self.datagrams(session)
