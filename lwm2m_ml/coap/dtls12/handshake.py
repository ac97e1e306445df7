"""What both sides of a handshake have in common: records in, datagrams out, the transcript, keys, repetitions.

`server` and `client` each open with a table of what may come when. Whatever is not in the table ends the handshake.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lwm2m_ml.coap.dtls12.errors import HandshakeError
from lwm2m_ml.coap.dtls12.flights import Flight
from lwm2m_ml.coap.dtls12.fragments import Fragment, Message, Reassembly, parse_fragments
from lwm2m_ml.coap.dtls12.key_schedule import Prf, extended_master_secret, key_block, master_secret, verify_data
from lwm2m_ml.coap.dtls12.numbers import ALERT, FATAL, HANDSHAKE, TLS12_CID, Alert, HandshakeType
from lwm2m_ml.coap.dtls12.records import Record
from lwm2m_ml.coap.dtls12.session import Session, SessionKeys
from lwm2m_ml.coap.dtls12.suites import KEY_BLOCK_BYTES, KeyExchange, Suite

MOST_HANDSHAKE_BYTES = 8192
"""Largest handshake message, and all that may wait for its turn: a chain of several certificates fits."""
MOST_IN_VAIN = 2
"""One Finished that cannot be read may be forged; a peer whose second one cannot be read either has another key."""
HASHED_AFTERWARDS = frozenset({HandshakeType.FINISHED, HandshakeType.CERTIFICATE_VERIFY})
"""Messages that speak of the transcript without themselves."""


class State(enum.IntEnum):
    """What a side waits for."""

    SERVER_HELLO = enum.auto()
    CERTIFICATE = enum.auto()
    SERVER_KEY_EXCHANGE = enum.auto()
    CERTIFICATE_REQUEST = enum.auto()
    SERVER_HELLO_DONE = enum.auto()
    CLIENT_KEY_EXCHANGE = enum.auto()
    CERTIFICATE_VERIFY = enum.auto()
    FINISHED = enum.auto()
    COMPLETE = enum.auto()


@dataclass(frozen=True, slots=True)
class Step:
    """What is done with a message that was waited for."""

    action: str
    """The method that takes its body and sets the next state."""
    section: str
    """Where it is specified."""
    exchanges: frozenset[KeyExchange] = frozenset(KeyExchange)
    """The key exchanges in which it occurs."""


Table = Mapping[tuple[State, HandshakeType], Step]


class Handshake:
    """One handshake under way. Whoever drives it takes `outgoing` after each call, and `session` when `complete`."""

    table: ClassVar[Table]
    own_label: ClassVar[bytes]
    peer_label: ClassVar[bytes]
    is_server: ClassVar[bool]

    def __init__(self, state: State, *, next_received: int, next_sent: int, next_record: int) -> None:
        self.state = state
        self.outgoing: list[bytes] = []
        self.session: Session | None = None
        self.suite: Suite | None = None
        self.client_random = b""
        self.server_random = b""
        self.extended_master_secret = False
        self.own_cid = b""
        self.peer_cid = b""
        self._transcript = hashlib.sha256()
        self._master: Prf | None = None
        self._reassembly = Reassembly(next_received, MOST_HANDSHAKE_BYTES)
        self._answered = next_received - 1
        self._next_sent = next_sent
        self._flight = Flight(next_record)
        self._in_vain = 0

    @property
    def complete(self) -> bool:
        """Whether the session can be used."""
        return self.state is State.COMPLETE

    # Receiving

    def receive(self, record: Record) -> None:
        """Take a record in. Raises HandshakeError when the handshake has failed."""
        if record.is_plain:
            self._take(record.type, record.content, protected=False)
            return
        if self.session is None:
            return  # too early: it comes again with the peer's repetition
        opened = self.session.open(record)
        if opened is not None:
            self._take(opened[0], opened[1], protected=True)
        elif record.type in (HANDSHAKE, TLS12_CID) and not self.complete:
            self._finished_in_vain()

    def _finished_in_vain(self) -> None:
        self._in_vain += 1
        if self._in_vain >= MOST_IN_VAIN:
            raise HandshakeError(Alert.DECRYPT_ERROR, "the keys of the two sides differ")

    def _take(self, kind: int, content: bytes, *, protected: bool) -> None:
        if kind == ALERT:
            self._receive_alert(content)
        elif kind == HANDSHAKE:
            self.receive_messages(content, protected=protected)
        # A change of cipher says nothing that the epoch of the records does not say; data before its time is dropped.

    def _receive_alert(self, content: bytes) -> None:
        if len(content) == 2 and not self.complete and (content[0] == FATAL or content[1] == Alert.CLOSE_NOTIFY):
            known = next((alert.name.lower() for alert in Alert if alert == content[1]), str(content[1]))
            raise HandshakeError(None, f"the peer ended the handshake: {known}")

    def receive_messages(self, content: bytes, *, protected: bool) -> None:
        """Take the content of a handshake record in; Finished counts in epoch 1 only, everything else in epoch 0."""
        for fragment in parse_fragments(content):
            if protected != (fragment.type == HandshakeType.FINISHED) or fragment.type == HandshakeType.HELLO_REQUEST:
                continue
            if fragment.sequence < self._reassembly.next:
                self._receive_again(fragment)
            elif self.complete:
                continue
            elif (message := self._reassembly.whole(fragment)) is not None:
                self._act(message)
            else:
                self._reassembly.feed(fragment)
        while (message := self._reassembly.take()) is not None:
            self._act(message)

    def _receive_again(self, fragment: Fragment) -> None:
        if fragment.sequence == self._answered and fragment.offset == 0:
            self.outgoing += self._flight.answer_repetition(self.session)

    def _act(self, message: Message) -> None:
        try:
            kind = HandshakeType(message.type)
        except ValueError:
            raise HandshakeError(Alert.UNEXPECTED_MESSAGE, f"there is no handshake message {message.type}") from None
        step = self.table.get((self.state, kind))
        if step is None or (self.suite is not None and self.suite.key_exchange not in step.exchanges):
            raise HandshakeError(Alert.UNEXPECTED_MESSAGE, f"{kind.name} came while {self.state.name} was waited for")
        if kind not in HASHED_AFTERWARDS:
            self._transcript.update(message.encode())
        action: Any = getattr(self, step.action)
        action(message.body)
        if kind in HASHED_AFTERWARDS and not self.complete:
            self._transcript.update(message.encode())

    # Sending

    def _begin_flight(self) -> None:
        """What is sent from here on answers all that was received so far."""
        self._answered = self._reassembly.next - 1
        self._flight.begin()

    def _send(self, kind: HandshakeType, body: bytes) -> None:
        self._flight.add(self._new_message(kind, body))

    def _send_finished(self) -> None:
        self._flight.change_and_add(self._new_message(HandshakeType.FINISHED, self._verify_data(self.own_label)))

    def _new_message(self, kind: HandshakeType, body: bytes) -> bytes:
        message = Message(kind, self._next_sent, body).encode()
        self._next_sent += 1
        self._transcript.update(message)
        return message

    def _forget_transcript(self) -> None:
        """A ClientHello without cookie, and what answered it, count for nothing (RFC 6347 §4.2.1)."""
        self._transcript = hashlib.sha256()

    def _end_flight(self) -> None:
        self.outgoing += self._flight.datagrams(self.session)

    @property
    def timeout(self) -> float | None:
        """Seconds until `repeat` must be called; None: never."""
        return None if self.complete else self._flight.timeout

    def repeat(self) -> None:
        """Nothing came in time: send the last flight again."""
        self.outgoing += self._flight.repeat(self.session)

    # Keys

    @property
    def exchange(self) -> KeyExchange:
        """How the secret is made; known after the hellos."""
        assert self.suite is not None  # noqa: S101  # the tables let nobody ask before
        return self.suite.key_exchange

    def _derive(self, premaster: bytes) -> None:
        """Make the keys; everything up to ClientKeyExchange is in the transcript (RFC 7627 §3)."""
        assert self.suite is not None  # noqa: S101  # chosen with the hellos
        if self.extended_master_secret:
            secret = extended_master_secret(premaster, self._transcript.digest())
        else:
            secret = master_secret(premaster, self.client_random, self.server_random)
        self._master = Prf(secret)
        block = key_block(self._master, self.client_random, self.server_random, KEY_BLOCK_BYTES)
        keys = SessionKeys.of(self.suite, block, server=self.is_server)
        self.session = Session(keys, self.own_cid, self.peer_cid)

    def _verify_data(self, label: bytes) -> bytes:
        assert self._master is not None  # noqa: S101  # the tables let nobody finish before
        return verify_data(self._master, label, self._transcript.digest())

    def _check_finished(self, body: bytes) -> None:
        if not hmac.compare_digest(body, self._verify_data(self.peer_label)):
            raise HandshakeError(Alert.DECRYPT_ERROR, "the peer heard another handshake than we did")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.state.name}>"
