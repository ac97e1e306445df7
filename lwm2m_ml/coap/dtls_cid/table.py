"""The peers of a socket by connection id and by address, within limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls12.session import Session
    from lwm2m_ml.coap.dtls_cid.peer import SessionRemote
    from lwm2m_ml.coap.remote import SocketAddress


class PeerTable:
    """Peers in the order in which their sessions were made; the oldest give way.

    A peer is found by the connection id that we gave it, wherever it is, or else by its address, never by both: a
    record without the connection id that was agreed on is none of its session (RFC 9146 §3).
    """

    __slots__ = ("_maximum", "_on_ended", "_peers")

    def __init__(self, maximum: int, on_ended: Callable[[SessionRemote], None] = lambda _peer: None) -> None:
        """`on_ended` is told of peers whose session gives way to another one."""
        self._on_ended = on_ended
        self._maximum = maximum
        self._peers: dict[bytes | SocketAddress, SessionRemote] = {}

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


def _key(peer: SessionRemote, session: Session) -> bytes | SocketAddress:
    return session.own_cid or peer.socket_address
