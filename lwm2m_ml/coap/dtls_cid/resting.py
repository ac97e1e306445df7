"""Sessions as a store keeps them: what a restart or another node needs to go on without a handshake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lwm2m_ml.coap.remote import SocketAddress


@dataclass(frozen=True, slots=True)
class RestingSession:
    """A session of an identity that was last heard from an address; `exported` holds its keys."""

    identity: str
    key: str
    """What its records are known by, see `key_of`."""
    address: SocketAddress
    exported: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TakenSession:
    """A session that goes on here, with sequence numbers that nobody else was given."""

    session: RestingSession
    numbers: range
    complete: bool
    """Whether nothing was opened after it was exported: its replay window is the whole truth."""


Holders = Mapping[str, int]
"""By identity, the token under which a session is held: another one each time that somebody else may have held it."""


class SessionStates(Protocol):
    """Where sessions are kept; there is one for an identity, the newest. An answer means that it is on disk.

    Numbers that were given out are never given out again, so that whoever has a session, at the same time even, seals
    different records with different nonces. Losing that count tells plaintexts.
    """

    async def keep(self, sessions: Sequence[tuple[RestingSession, int]], *, complete: bool = False) -> Holders:
        """Store new sessions, each with the first number that its holder does not use; returns whose were stored.

        They are `complete` when they rest: nothing is opened any more. A session is stored so once: of one that was
        stored before nobody knows here which numbers others have.
        """

    async def find(self, keys: Sequence[str]) -> Sequence[RestingSession]:
        """The sessions with these keys, as far as there are any. Nothing may be sealed with them."""

    async def find_peer(self, identity: str) -> RestingSession | None:
        """The session of an identity, likewise."""

    async def take(self, identity: str, key: str, count: int) -> TakenSession | None:
        """Have a session that was stored, with so many numbers; None when it is not stored any more."""

    async def hold(self, sessions: Sequence[RestingSession]) -> Holders:
        """Note that sessions that were taken are held here now; returns for whom that is so."""

    async def reserve(self, identity: str, key: str, count: int) -> range | None:
        """Give more numbers to whoever holds a session; None when that is somebody else by now."""

    async def rest(self, sessions: Sequence[tuple[RestingSession, int]]) -> None:
        """Store sessions that are held here, each with its holder's limit: nothing is opened or sealed any more.

        They are complete, unless somebody else was given numbers meanwhile, and may have opened something.
        """

    async def remove(self, identity: str, key: str | None = None) -> None:
        """The session has ended, or whatever session the identity has."""


@dataclass(slots=True)
class _Row:
    session: RestingSession
    next_number: int
    complete: bool = False


class MemorySessions:
    """Sessions that outlive an endpoint but not the process: for tests, and as the plainest of all stores."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: dict[str, _Row] = {}

    async def keep(self, sessions: Sequence[tuple[RestingSession, int]], *, complete: bool = False) -> Holders:
        """Store new sessions."""
        for session, next_number in sessions:
            earlier = self.rows.get(session.identity)
            least = 0 if earlier is None else earlier.next_number
            self.rows[session.identity] = _Row(session, max(next_number, least), complete)
        return {session.identity: 0 for session, _ in sessions}

    async def find(self, keys: Sequence[str]) -> Sequence[RestingSession]:
        """The sessions with these keys."""
        return [row.session for row in self.rows.values() if row.session.key in keys]

    async def find_peer(self, identity: str) -> RestingSession | None:
        """The session of an identity."""
        row = self.rows.get(identity)
        return None if row is None else row.session

    async def take(self, identity: str, key: str, count: int) -> TakenSession | None:
        """Have a session."""
        row = self._row(identity, key)
        if row is None:
            return None
        complete, row.complete = row.complete, False
        return TakenSession(row.session, self._numbers(row, count), complete)

    async def hold(self, sessions: Sequence[RestingSession]) -> Holders:
        """There is one holder only."""
        return {one.identity: 0 for one in sessions if self._row(one.identity, one.key) is not None}

    async def reserve(self, identity: str, key: str, count: int) -> range | None:
        """More numbers."""
        row = self._row(identity, key)
        return None if row is None else self._numbers(row, count)

    async def rest(self, sessions: Sequence[tuple[RestingSession, int]]) -> None:
        """Store sessions, complete."""
        for session, limit in sessions:
            row = self._row(session.identity, session.key)
            if row is not None and row.next_number == limit:
                self.rows[session.identity] = _Row(session, limit, complete=True)

    async def remove(self, identity: str, key: str | None = None) -> None:
        """Forget a session."""
        if key is None or self._row(identity, key) is not None:
            self.rows.pop(identity, None)

    def _row(self, identity: str, key: str) -> _Row | None:
        row = self.rows.get(identity)
        return row if row is not None and row.session.key == key else None

    def _numbers(self, row: _Row, count: int) -> range:
        numbers = range(row.next_number, row.next_number + count)
        row.next_number += count
        return numbers


def key_of(cid: bytes, address: SocketAddress) -> str:
    """What records are known by: the connection id that they bear, or the address that they come from."""
    return cid.hex() if cid else f"{address[0]} {address[1]}"
