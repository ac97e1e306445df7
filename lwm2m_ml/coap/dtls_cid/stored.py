"""The sessions of one transport that the store knows: kept for later, fetched when needed, let go to other nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import structlog

from lwm2m_ml.coap.dtls12.session import Session, Stored
from lwm2m_ml.coap.dtls_cid.keeping import SessionKeeper
from lwm2m_ml.coap.dtls_cid.paths import Revival, token_of
from lwm2m_ml.coap.dtls_cid.peer import SessionRemote
from lwm2m_ml.coap.dtls_cid.resting import key_of
from lwm2m_ml.coap.dtls_cid.revivals import Arrived, Revivals
from lwm2m_ml.coap.errors import AddressError, NetworkError

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls12.records import Record
    from lwm2m_ml.coap.dtls_cid.resting import SessionStates, TakenSession
    from lwm2m_ml.coap.dtls_cid.table import PeerTable
    from lwm2m_ml.coap.remote import Remote, SocketAddress
    from lwm2m_ml.coap.requester import Requester

logger = structlog.get_logger(__name__)

HolderOf = Callable[[str], int | None]

MOST_UNSENT = 4
"""Messages kept for a peer while its session is fetched."""


class Carrier(Protocol):
    """What is needed of the transport."""

    def socket_address(self, host: str, port: int) -> SocketAddress:
        """The address as the socket tells it of arriving datagrams. Raises AddressError."""

    def new_peer(self, address: SocketAddress, identity: str) -> SessionRemote:
        """A peer that was not known before."""

    def receive_sealed(self, record: Record, address: SocketAddress, peer: SessionRemote) -> None:
        """Take in a record of a session."""

    def send(self, datagram: bytes, remote: SessionRemote) -> None:
        """Seal and send a message."""


class StoredSessions:
    """Between a transport and the store."""

    __slots__ = (
        "_carrier",
        "_holder_of",
        "_keeper",
        "_peers",
        "_requester",
        "_resting",
        "_revivals",
        "_unsent",
        "_waking",
    )

    def __init__(
        self,
        carrier: Carrier,
        peers: PeerTable,
        requester: Requester,
        states: SessionStates,
        *,
        is_valid: Callable[[str], bool],
        holder_of: HolderOf | None,
    ) -> None:
        """`is_valid` tells whether an identity is still good; `holder_of` as in `CidTransport`."""
        self._carrier = carrier
        self._peers = peers
        self._requester = requester
        self._holder_of = holder_of
        self._keeper = SessionKeeper(states, peers.forget)
        self._revivals = Revivals(states, is_valid, self._go_on, self._hear)
        self._resting: dict[str, SessionRemote] = {}
        """Peers by identity whose sessions, if there are any, are in the store."""
        self._unsent: dict[SessionRemote, list[bytes]] = {}
        self._waking: set[asyncio.Task[None]] = set()

    # Kept for later

    def keep(self, peer: Remote) -> None:
        """Store the session of a peer in a while, if it has one here."""
        if isinstance(peer, SessionRemote):
            self._keeper.keep(peer)

    def keep_no_more(self, peer: Remote) -> None:
        """Nobody needs to go on with the session of a peer after this process, or with one from an earlier process.

        Of a peer that was here in an earlier process only, all that is known is its identity.
        """
        if isinstance(peer, SessionRemote):
            self.ended(peer)
        elif peer.identity is not None and peer.scheme == "coaps":
            self.gone(peer.identity)

    def ended(self, peer: SessionRemote) -> None:
        """The session of a peer ends, and so does what is stored of it."""
        if peer.session is None and peer.identity is not None and self._resting.get(peer.identity) is peer:
            self.gone(peer.identity)
        self._keeper.ended(peer)

    def gone(self, identity: str) -> None:
        """An identity is no longer good."""
        self._resting.pop(identity, None)
        self._keeper.gone(identity)

    async def close(self) -> None:
        """Let the sessions of all peers rest."""
        for task in list(self._waking):
            task.cancel()
        await asyncio.gather(*self._waking, return_exceptions=True)
        await self._revivals.close()
        await self._keeper.close(self._peers.all)

    # Other nodes

    def let_go(self, peer: Remote) -> None:
        """Another node acts for a peer, and goes on with its session."""
        if isinstance(peer, SessionRemote) and peer.session is not None and peer.session.stored is Stored.HELD:
            self._peers.forget(peer)

    def may_be_held_elsewhere(self, peer: SessionRemote) -> bool:
        """Whether the session of a peer may have gone on at another node: then it is fetched from the store again.

        That node may have heard what is sent here once more, and have sealed with higher numbers than ours.
        """
        session, identity = peer.session, peer.identity
        if self._holder_of is None or identity is None or session is None or session.stored is not Stored.HELD:
            return False
        if self._holder_of(identity) == session.holder:
            return False
        self._peers.forget(peer)
        self._resting[identity] = peer
        return True

    # Fetched when a record comes

    def ask(self, record: Record, address: SocketAddress) -> None:
        """A sealed record came that is of no session here."""
        self._revivals.ask(key_of(record.cid, address), Arrived(record, address))

    def give_up(self, peer: SessionRemote) -> None:
        """A peer cannot show that it is no recording."""
        logger.info("A DTLS session does not go on", identity=peer.identity, peer=peer.hostinfo)
        if peer.session is not None:
            self._revivals.give_up(key_of(peer.session.own_cid, peer.socket_address))
        self._peers.forget(peer)

    def known(self, identity: str, address: SocketAddress) -> SessionRemote | None:
        """The peer whose session was awaited, as it has one now."""
        peer = self._resting.pop(identity, None)
        if peer is not None:
            peer.socket_address = address
        return peer

    def _go_on(self, taken: TakenSession, session: Session) -> None:
        identity, address = taken.session.identity, tuple(taken.session.address)
        if self._peers.get(session.own_cid or address) is not None:
            return
        peer = self.known(identity, address) or self._carrier.new_peer(address, identity)
        session.stored = Stored.BORROWED
        self._peers.establish(peer, session)
        peer.doubted = not taken.complete

    def _hear(self, record: Record, address: SocketAddress) -> None:
        peer = self._peers.get(record.cid or address)
        if peer is not None:
            self._carrier.receive_sealed(record, address, peer)

    # Fetched when something is to be sent

    def resting_peer(self, identity: str, host: str, port: int) -> SessionRemote | None:
        """The peer of an identity whose session, if it has one, is in the store, where it was heard last.

        None when this socket does not reach such addresses.
        """
        peer = self._resting.get(identity)
        if peer is None:
            try:
                address = self._carrier.socket_address(host, port)
            except AddressError:
                return None
            peer = self._resting[identity] = self._carrier.new_peer(address, identity)
        return peer

    def wake(self, peer: SessionRemote, datagram: bytes) -> None:
        """Send a message when the session was fetched; it is lost when the peer has none in the store."""
        if self._resting.get(peer.identity or "") is not peer:
            return
        unsent = self._unsent.get(peer)
        if unsent is None:
            unsent = self._unsent[peer] = []
            task = asyncio.get_running_loop().create_task(self._wake_up(peer))
            self._waking.add(task)
            task.add_done_callback(self._waking.discard)
        if len(unsent) < MOST_UNSENT:
            unsent.append(datagram)

    async def _wake_up(self, peer: SessionRemote) -> None:
        reason = f"{peer.hostinfo} has no session with this server"
        try:
            await self._revivals.wake(str(peer.identity))
        except Exception as error:  # a store may fail in any way
            reason = f"The session of {peer.hostinfo} cannot be fetched ({error})"
        unsent = self._unsent.pop(peer)
        if peer.session is None:
            self._requester.fail_all(peer, NetworkError(reason, hint="It makes one when it wakes up"))
            return
        if peer.doubted and peer.path is None:
            peer.path = Revival(peer.socket_address, token_of(unsent[0]))
        for datagram in unsent:
            self._carrier.send(datagram, peer)
