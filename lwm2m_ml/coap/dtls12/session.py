"""An established session: seals and opens records of epoch 1 (RFC 6347 §4.1.2, RFC 9146 §5), and can be put to rest.

    without connection id     associated data: number, type, version, length         RFC 5246 §6.2.3.3
    with connection id        associated data: placeholder, CID, number, length      RFC 9146 §5.3

The nonce is a fixed part and the number, which is epoch and sequence number; a sequence number is used up as soon as
a record is sealed with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

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
STATE_VERSION = 1
_EPOCH = 1 << 48
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


class Session:
    """Both directions of epoch 1 with one peer."""

    __slots__ = ("_keys", "_next", "_read", "_read_prefix", "_window", "_write", "_write_prefix", "own_cid", "peer_cid")

    def __init__(
        self, keys: SessionKeys, own_cid: bytes, peer_cid: bytes, *, sent: int = 0, seen: ReplayState | None = None
    ) -> None:
        """`own_cid` marks records to us, `peer_cid` records to the peer; empty: none."""
        block = keys.block
        nonces = 2 * KEY_BYTES
        self._keys = keys
        self._read = keys.suite.aead(block[:KEY_BYTES])
        self._write = keys.suite.aead(block[KEY_BYTES:nonces])
        self._read_prefix = block[nonces : nonces + FIXED_NONCE_BYTES]
        self._write_prefix = block[nonces + FIXED_NONCE_BYTES :]
        self._window = ReplayWindow(WINDOW, seen or ReplayState())
        self._next = _EPOCH + sent
        self.own_cid = own_cid
        self.peer_cid = peer_cid

    @property
    def suite(self) -> Suite:
        """The cipher suite."""
        return self._keys.suite

    def seal(self, content: bytes, kind: int = APPLICATION_DATA) -> bytes:
        """A record with this content. Raises UnusableSession when no sequence number is left, or after `export`."""
        number = self._next
        if number > _EPOCH + LAST_SEQUENCE_NUMBER:
            raise UnusableSession("The sequence numbers of a DTLS session are used up", hint="Make another handshake")
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

    # At rest

    def export(self) -> bytes:
        """Everything that goes on with the session elsewhere; secret. Nothing can be sealed here any more."""
        state, sent = self._window.state, self._next - _EPOCH
        self._next = _EPOCH + LAST_SEQUENCE_NUMBER + 1
        suite, block = self._keys.suite.number, self._keys.block
        facts = [STATE_VERSION, suite, block, self.own_cid, self.peer_cid, sent, state.highest, state.seen]
        exported: bytes = cbor2.dumps(facts)
        return exported

    @classmethod
    def resume(cls, exported: bytes) -> Self:
        """The session that was exported. Raises UnusableSession.

        What was exported must be used once: the same keys in two places would repeat nonces.
        """
        try:
            version, suite, block, own_cid, peer_cid, sent, highest, seen = cbor2.loads(exported)
        except (cbor2.CBORDecodeError, TypeError, ValueError) as error:
            raise UnusableSession("These bytes are no DTLS session at rest") from error
        octets, numbers = (block, own_cid, peer_cid), (suite, sent, highest, seen)
        if (
            version != STATE_VERSION
            or not _fit(octets, numbers)
            or suite not in SUITES
            or len(block) != KEY_BLOCK_BYTES
        ):
            raise UnusableSession("A DTLS session at rest is damaged or of another version")
        keys = SessionKeys(SUITES[suite], block)
        return cls(keys, own_cid, peer_cid, sent=sent, seen=ReplayState(highest, seen))

    def __repr__(self) -> str:
        return f"<Session {self.suite.name}>"


def _fit(octets: Sequence[Any], numbers: Sequence[Any]) -> bool:
    return all(isinstance(value, bytes) for value in octets) and all(
        isinstance(value, int) and -1 <= value < 1 << 64 for value in numbers
    )
