"""The peers of a socket by connection id and by address, and the handshakes under way, all within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lwm2m_ml.coap.dtls12.server import ServerHandshake

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls12.handshake import Handshake
    from lwm2m_ml.coap.dtls12.session import Session
    from lwm2m_ml.coap.dtls_cid.peer import SessionRemote
    from lwm2m_ml.coap.remote import Remote, SocketAddress


@dataclass(slots=True, eq=False)
class Pending:
    """A handshake under way with whoever is at an address."""

    handshake: Handshake
    address: SocketAddress
    begun_at: float
    identity: str = ""
    """Of the peer, where it is known before the handshake ends: a client knows whom it calls."""
    established: asyncio.Future[Remote] | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def granted(self) -> str:
        """The identity of the peer, as far as it is known."""
        handshake = self.handshake
        if isinstance(handshake, ServerHandshake) and handshake.grant is not None:
            return handshake.grant.identity
        return self.identity

    def cancel_timer(self) -> None:
        """No timer any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class PeerTable:
    """Peers in the order in which their sessions were made; the oldest give way.

    A peer is found by the connection id that we gave it, wherever it is, or else by its address, never by both: a
    record without the connection id that was agreed on is none of its session (RFC 9146 §3).
    """

    __slots__ = ("_maximum", "_maximum_pending", "_on_ended", "_peers", "_pending", "_pending_by_cid")

    def __init__(
        self, maximum: int, maximum_pending: int, on_ended: Callable[[SessionRemote], None] = lambda _peer: None
    ) -> None:
        """`on_ended` is told of peers whose session gives way to another one."""
        self._on_ended = on_ended
        self._maximum = maximum
        self._maximum_pending = maximum_pending
        self._peers: dict[bytes | SocketAddress, SessionRemote] = {}
        self._pending: dict[SocketAddress, Pending] = {}
        self._pending_by_cid: dict[bytes, Pending] = {}

    # Peers

    def get(self, key: bytes | SocketAddress) -> SessionRemote | None:
        """The peer with a connection id, or with none and at an address."""
        return self._peers.get(key)

    def establish(self, peer: SessionRemote, session: Session) -> None:
        """A session begins, in place of the one that was found as it will be."""
        peer.session = session
        replaced = self._peers.get(_key(peer, session))
        if replaced is not None:
            self._give_way(replaced)
        elif len(self._peers) >= self._maximum:
            self._give_way(next(iter(self._peers.values())))
        self._peers[_key(peer, session)] = peer

    def _give_way(self, peer: SessionRemote) -> None:
        self._on_ended(peer)
        self.forget(peer)

    def hand_over(self, new: SessionRemote, peer: SessionRemote) -> None:
        """A known peer goes on with the session of a new one, whose place it takes."""
        if peer.session is not None:
            self.forget(peer)
        peer.session, peer.finale, peer.path = new.session, new.finale, None
        peer.socket_address = new.socket_address
        peer.doubted, peer.keeper = new.doubted, new.keeper
        if new.session is not None:
            self._peers[_key(new, new.session)] = peer
            if new.session.reservations is not None:
                new.session.reservations = peer

    def forget(self, peer: SessionRemote) -> None:
        """The session has ended."""
        if peer.session is not None:
            key = _key(peer, peer.session)
            if self._peers.get(key) is peer:
                del self._peers[key]
        peer.session = peer.finale = peer.path = None
        peer.doubted = False

    def all(self) -> list[SessionRemote]:
        """Every peer, the oldest session first."""
        return list(self._peers.values())

    def __len__(self) -> int:
        return len(self._peers)

    # Handshakes

    def pending_at(self, address: SocketAddress) -> Pending | None:
        """The handshake under way with an address."""
        return self._pending.get(address)

    def pending_with_cid(self, cid: bytes) -> Pending | None:
        """The handshake under way that promised a connection id."""
        return self._pending_by_cid.get(cid)

    def begin(self, pending: Pending) -> None:
        """A handshake begins; one before it at the same address is given up, or the oldest when there are too many."""
        earlier = self._pending.get(pending.address)
        if earlier is None and len(self._pending) >= self._maximum_pending:
            earlier = next(iter(self._pending.values()))
        if earlier is not None:
            self.end(earlier)
        self._pending[pending.address] = pending
        if pending.handshake.own_cid:
            self._pending_by_cid[pending.handshake.own_cid] = pending

    def end(self, pending: Pending) -> None:
        """A handshake is over."""
        pending.cancel_timer()
        if self._pending.get(pending.address) is pending:
            del self._pending[pending.address]
        self._pending_by_cid.pop(pending.handshake.own_cid, None)

    def all_pending(self) -> list[Pending]:
        """Every handshake under way."""
        return list(self._pending.values())


def _key(peer: SessionRemote, session: Session) -> bytes | SocketAddress:
    return session.own_cid or peer.socket_address
