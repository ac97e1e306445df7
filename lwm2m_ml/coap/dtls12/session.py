"""An established session: seals and opens records of epoch 1 (RFC 6347 §4.1.2, RFC 9146 §5), and can be put to rest.

    without connection id     associated data: number, type, version, length         RFC 5246 §6.2.3.3
    with connection id        associated data: placeholder, CID, number, length      RFC 9146 §5.3

The nonce is a fixed part and the number, which is epoch and sequence number; a sequence number is used up as soon as
a record is sealed with it. Where somebody else may go on with the session one day, its numbers are reserved before they
are used: `bound` ends those that may be used without asking, `grant` gives more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol, Self

import cbor2
from cryptography.exceptions import InvalidTag

from lwm2m_ml.coap.dtls12.errors import UnusableSession
from lwm2m_ml.coap.dtls12.numbers import APPLICATION_DATA, DTLS_1_2, TLS12_CID
from lwm2m_ml.coap.dtls12.records import EPOCH_ONE, Record
from lwm2m_ml.coap.dtls12.suites import FIXED_NONCE_BYTES, KEY_BLOCK_BYTES, KEY_BYTES, SUITES, Suite
from lwm2m_ml.coap.oscore.replay import ReplayWindow
from lwm2m_ml.coap.oscore.states import ReplayState

EXPLICIT_NONCE_BYTES = 8
LARGEST_CONTENT = 1 << 14
LAST_SEQUENCE_NUMBER = (1 << 48) - 1
WINDOW = 64
"""Sequence numbers that may overtake each other (RFC 6347 §4.1.2.6)."""
STATE_VERSION = 2
_EPOCH = 1 << 48
_END = _EPOCH + LAST_SEQUENCE_NUMBER + 1
_PLACEHOLDER = b"\xff" * 8


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The key block from one side's view; `block` is read key, write key, read nonce, write nonce."""

    suite: Suite
    block: bytes = field(repr=False)

    @classmethod
    def of(cls, suite: Suite, key_block: bytes, *, server: bool) -> Self:
        """Cut the block that both sides share, which begins with what the client writes with (RFC 5246 §6.3)."""
        nonces = 2 * KEY_BYTES
        if server:
            return cls(suite, key_block)
        swapped = key_block[KEY_BYTES:nonces] + key_block[:KEY_BYTES]
        return cls(suite, swapped + key_block[nonces + FIXED_NONCE_BYTES :] + key_block[nonces:-FIXED_NONCE_BYTES])


class Reservations(Protocol):
    """Where a session gets numbers from that nobody else uses."""

    def short(self) -> None:
        """Half of the numbers that were reserved are used up, or all."""


class Stored(Enum):
    """What a store knows of a session."""

    UNKNOWN = auto()
    """Nothing: all numbers are the session's own."""
    BORROWED = auto()
    """All of it; who has it now has not been confirmed there yet."""
    HELD = auto()
    """All of it, and that it is had here."""
    NEVER_AGAIN = auto()
    """Nothing more. It must not be stored again: nobody knows any more which numbers others were given."""


class Session:
    """Both directions of epoch 1 with one peer."""

    __slots__ = (
        "_ask_at",
        "_keys",
        "_limit",
        "_next",
        "_read",
        "_read_prefix",
        "_window",
        "_write",
        "_write_prefix",
        "holder",
        "own_cid",
        "peer_cid",
        "reservations",
        "stored",
    )

    def __init__(
        self,
        keys: SessionKeys,
        own_cid: bytes,
        peer_cid: bytes,
        *,
        numbers: range | None = None,
        seen: ReplayState | None = None,
    ) -> None:
        """`own_cid` marks records to us, `peer_cid` records to the peer; empty: none. `numbers` to seal with: all."""
        block = keys.block
        nonces = 2 * KEY_BYTES
        self._keys = keys
        self._read = keys.suite.aead(block[:KEY_BYTES])
        self._write = keys.suite.aead(block[KEY_BYTES:nonces])
        self._read_prefix = block[nonces : nonces + FIXED_NONCE_BYTES]
        self._write_prefix = block[nonces + FIXED_NONCE_BYTES :]
        self._window = ReplayWindow(WINDOW, seen or ReplayState())
        if numbers is None:
            numbers = range(LAST_SEQUENCE_NUMBER + 1)
        self._next = _EPOCH + numbers.start
        self._limit = min(_EPOCH + numbers.stop, _END)
        self._ask_at = self._limit - len(numbers) // 2
        self.own_cid = own_cid
        self.peer_cid = peer_cid
        self.reservations: Reservations | None = None
        self.stored = Stored.UNKNOWN
        self.holder = 0
        """The token under which it is held here, where several could."""

    @property
    def suite(self) -> Suite:
        """The cipher suite."""
        return self._keys.suite

    def seal(self, content: bytes, kind: int = APPLICATION_DATA) -> bytes:
        """A record with this content. Raises UnusableSession when no sequence number is left, or after `end`."""
        number = self._next
        if number >= self._ask_at:
            self._ask_for_numbers(number)
        self._next = number + 1
        explicit = number.to_bytes(8)
        cid = self.peer_cid
        if cid:
            inner = b"%b%c" % (content, kind)
            head = b"\x19\xfe\xfd%b%b" % (explicit, cid)
            associated = b"%b\x19%c%b%b" % (_PLACEHOLDER, len(cid), head, len(inner).to_bytes(2))
        else:
            inner = content
            head = b"%c\xfe\xfd%b" % (kind, explicit)
            associated = b"%b%c\xfe\xfd%b" % (explicit, kind, len(inner).to_bytes(2))
        sealed = self._write.encrypt(self._write_prefix + explicit, inner, associated)
        return b"%b%b%b%b" % (head, (EXPLICIT_NONCE_BYTES + len(sealed)).to_bytes(2), explicit, sealed)

    def open(self, record: Record) -> tuple[int, bytes, bool] | None:
        """Type and content of a record, and whether none before it has a higher number.

        None for what is forged, seen already, or not of this session; that costs nothing but the attempt.
        """
        kind, number, cid, content, version = record
        length = len(content) - EXPLICIT_NONCE_BYTES - self._keys.suite.tag_bytes
        sequence_number = int.from_bytes(number) - _EPOCH
        if (
            not 0 <= length <= LARGEST_CONTENT
            or cid != self.own_cid
            or (kind == TLS12_CID) != bool(cid)
            or number[:2] != EPOCH_ONE
            or version != DTLS_1_2
            or not self._window.accepts(sequence_number)
        ):
            return None
        size = length.to_bytes(2)
        if cid:
            associated = b"%b\x19%c\x19\xfe\xfd%b%b%b" % (_PLACEHOLDER, len(cid), number, cid, size)
        else:
            associated = b"%b%c\xfe\xfd%b" % (number, kind, size)
        nonce = self._read_prefix + content[:EXPLICIT_NONCE_BYTES]
        try:
            plain = self._read.decrypt(nonce, content[EXPLICIT_NONCE_BYTES:], associated)
        except InvalidTag:
            return None
        newest = self._window.mark(sequence_number)
        if not cid:
            return kind, plain, newest
        plain = plain.rstrip(b"\x00")
        return (plain[-1], plain[:-1], newest) if plain else None

    # Sequence numbers

    @property
    def limit(self) -> int:
        """The first number that is not to be used here."""
        return self._limit - _EPOCH

    def bound(self, count: int) -> int:
        """Use the next `count` numbers only, until more are granted; returns the first that is not to be used.

        No number was promised to anybody else so far: this is for a session that nobody else knows.
        """
        self._limit = min(self._next + count, _END)
        self._ask_at = min(self._next + count // 2, self._limit)
        return self._limit - _EPOCH

    def grant(self, numbers: range) -> None:
        """Use these numbers, too; they lie above all that were given before.

        Numbers that lie between are somebody else's. Raises UnusableSession when some were used already.
        """
        first, stop = _EPOCH + numbers.start, min(_EPOCH + numbers.stop, _END)
        if first < self._limit:
            raise UnusableSession("Sequence numbers of a DTLS session were given out twice")
        if first > self._limit:
            self._next = first
        self._limit = stop
        self._ask_at = max(self._next, stop - len(numbers) // 2)

    def _ask_for_numbers(self, number: int) -> None:
        if self.reservations is not None:
            self.reservations.short()
        if number >= _END:
            raise UnusableSession("The sequence numbers of a DTLS session are used up", hint="Make another handshake")
        if number >= self._limit:
            raise UnusableSession("A DTLS session waits for the store to reserve sequence numbers")

    def end(self) -> int:
        """Seal nothing any more; returns the first number that was not used."""
        number, self._next, self._limit, self._ask_at = self._next, _END, _END, _END
        self.reservations = None
        return number - _EPOCH

    # The replay window

    def forget_older(self) -> None:
        """Open nothing any more that was sent before the newest record: what had been opened of it is not known."""
        self._window = ReplayWindow.beginning_with(WINDOW, self._window.state.highest)

    # At rest

    def export(self) -> bytes:
        """Keys, connection ids and replay window; secret. Sequence numbers are somebody else's to remember."""
        state, suite, block = self._window.state, self._keys.suite.number, self._keys.block
        facts = [STATE_VERSION, suite, block, self.own_cid, self.peer_cid, state.highest, state.seen]
        exported: bytes = cbor2.dumps(facts)
        return exported

    @classmethod
    def resume(cls, exported: bytes, numbers: range) -> Self:
        """The session that was exported. Raises UnusableSession.

        `numbers` to seal with, possibly none, must never have been anybody else's: nonces would be repeated.
        """
        try:
            version, suite, block, own_cid, peer_cid, highest, seen = cbor2.loads(exported)
        except (cbor2.CBORDecodeError, TypeError, ValueError) as error:
            raise UnusableSession("These bytes are no DTLS session at rest") from error
        if (
            version != STATE_VERSION
            or not _fit((block, own_cid, peer_cid), (suite, highest, seen))
            or suite not in SUITES
            or len(block) != KEY_BLOCK_BYTES
        ):
            raise UnusableSession("A DTLS session at rest is damaged or of another version")
        keys = SessionKeys(SUITES[suite], block)
        return cls(keys, own_cid, peer_cid, numbers=numbers, seen=ReplayState(highest, seen))

    def __repr__(self) -> str:
        return f"<Session {self.suite.name}>"


def _fit(octets: Sequence[Any], numbers: Sequence[Any]) -> bool:
    return all(isinstance(value, bytes) for value in octets) and all(
        isinstance(value, int) and -1 <= value < 1 << 64 for value in numbers
    )
