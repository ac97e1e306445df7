"""CoAP over DTLS 1.2 with connection ids (RFC 7252 §9, RFC 9146), both as server and as client.

A record finds its session so:

    ClientHello, epoch 0          the stateless listener; a good cookie begins a handshake
    other records of epoch 0      the handshake under way with that address; without one they mean nothing
    with a connection id          the session, or else the handshake, that the id was given to, wherever it came from
    others of epoch 1             the handshake under way with that address if they belong to one, else its session

A new session replaces the one before when its handshake is complete, not before: a forged ClientHello ends nothing
(RFC 6347 §4.2.8). What is of no session here may be of one that is stored: see `revivals`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.coap.datagrams import DatagramTransport
from lwm2m_ml.coap.dtls12.client import ClientHandshake
from lwm2m_ml.coap.dtls12.connection_ids import CID_BYTES, ConnectionIds
from lwm2m_ml.coap.dtls12.errors import HandshakeError, UnusableSession
from lwm2m_ml.coap.dtls12.numbers import (
    ALERT,
    APPLICATION_DATA,
    FATAL,
    HANDSHAKE,
    TLS12_CID,
    WARNING,
    Alert,
)
from lwm2m_ml.coap.dtls12.records import Record, records
from lwm2m_ml.coap.dtls12.session import Session
from lwm2m_ml.coap.dtls_cid.handshakes import Handshakes, Pending, host_and_port
from lwm2m_ml.coap.dtls_cid.paths import Path, Revival
from lwm2m_ml.coap.dtls_cid.peer import SessionRemote
from lwm2m_ml.coap.dtls_cid.policies import client_policy, name_of, server_policy
from lwm2m_ml.coap.dtls_cid.resting import SessionStates
from lwm2m_ml.coap.dtls_cid.stored import HolderOf, StoredSessions
from lwm2m_ml.coap.dtls_cid.table import PeerTable
from lwm2m_ml.coap.echo import EchoChallenges
from lwm2m_ml.coap.errors import HandshakeFailed, NetworkError

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls.credentials import CredentialLookup, OwnCertificate, OwnKey
    from lwm2m_ml.coap.remote import Remote, SocketAddress
    from lwm2m_ml.coap.requester import Requester
    from lwm2m_ml.coap.responder import Responder
    from lwm2m_ml.coap.settings import CoapSettings

logger = structlog.get_logger(__name__)

CLOSE_NOTIFY = bytes((WARNING, Alert.CLOSE_NOTIFY))


class CidTransport(DatagramTransport):
    """One UDP socket with DTLS sessions on it that outlive the addresses of their peers."""

    __slots__ = (
        "_challenges",
        "_credentials",
        "_handshakes",
        "_peers",
        "_requester",
        "stored",
    )

    scheme = "coaps"
    remote_class = SessionRemote

    def __init__(
        self,
        settings: CoapSettings,
        requester: Requester,
        responder: Responder,
        credentials: CredentialLookup,
        own: OwnCertificate | OwnKey | None = None,
        *,
        named: Mapping[str, OwnCertificate] | None = None,
        states: SessionStates | None = None,
        ids: ConnectionIds | None = None,
        holder_of: HolderOf | None = None,
    ) -> None:
        """`states` keeps sessions from one run to the next; `ids` makes the connection ids of this node.

        `holder_of` tells the token with which this node, and no other, acts for an identity at this moment, if it does;
        without it there is no other.
        """
        super().__init__(settings, requester, responder)
        self._requester = requester
        self._credentials = credentials
        policy = server_policy(credentials, own, named or {}, (ids or ConnectionIds()).new)
        self._handshakes = Handshakes(settings, policy, self.send_datagram, self._established)
        self._peers = PeerTable(settings.maximum_sessions, self._ended)
        self._challenges = EchoChallenges()
        self.stored: StoredSessions | None = None
        """The sessions that the store knows, where there is one."""
        if states is not None:
            self.stored = StoredSessions(
                self, self._peers, requester, states, is_valid=credentials.is_valid, holder_of=holder_of
            )

    # Receiving

    def datagram_received(self, data: bytes, addr: SocketAddress) -> None:
        """One datagram of DTLS records."""
        self.bytes_in += len(data)
        if len(data) > self.settings.maximum_datagram:
            return
        handshakes = self._handshakes
        for record in records(data, CID_BYTES):
            peer = self._peers.get(record.cid or addr)
            if peer is not None and not record.is_plain and record.type != HANDSHAKE:
                self.receive_sealed(record, addr, peer)
            elif handshakes.receive(record, addr) or record.is_plain:
                continue
            elif peer is not None:
                self.receive_sealed(record, addr, peer)
            elif not handshakes.has_promised(record.cid):
                self._receive_unknown(record, addr)
        handshakes.advance()

    def _receive_unknown(self, record: Record, address: SocketAddress) -> None:
        """A sealed record of no session and no handshake here."""
        if self.stored is not None and record.type in (TLS12_CID, APPLICATION_DATA):
            self.stored.ask(record, address)

    def receive_sealed(self, record: Record, address: SocketAddress, peer: SessionRemote) -> None:
        """Take in a record of a peer's session."""
        if self.stored is not None and self.stored.may_be_held_elsewhere(peer):
            self.stored.ask(record, address)
            return
        session = peer.session
        opened = None if session is None else session.open(record)
        if opened is None:
            return
        kind, content, newest = opened
        if kind == APPLICATION_DATA:
            peer.finale = None
            if peer.doubted or (newest and address != peer.socket_address):
                self._receive_elsewhere(content, address, peer, len(record.content))
                return
            peer.bytes_in += len(content)
            self.layer.receive(content, peer)
        elif kind == ALERT:
            self._receive_alert(content, peer)
        elif kind == HANDSHAKE and peer.finale is not None:
            self._repeat_finale(content, peer)

    def _repeat_finale(self, content: bytes, peer: SessionRemote) -> None:
        """The peer repeats its Finished: ours did not arrive. Anything else in there asks for a renegotiation."""
        finale = peer.finale
        assert finale is not None  # noqa: S101  # asked before
        try:
            finale.receive_messages(content, protected=True)
        except HandshakeError as error:
            logger.debug("A message after the handshake is ignored", peer=peer.hostinfo, reason=error.message)
        for datagram in finale.outgoing:
            self.send_datagram(datagram, peer.socket_address)
        finale.outgoing = []

    def _receive_alert(self, content: bytes, peer: SessionRemote) -> None:
        if len(content) == 2 and (content[0] == FATAL or content[1] == Alert.CLOSE_NOTIFY):
            self._ended(peer)
            self._peers.forget(peer)
            if peer.is_called:
                self._requester.fail_all(peer, NetworkError(f"{peer.hostinfo} ended the DTLS session"))

    # Peers that move, or come back

    def _receive_elsewhere(self, message: bytes, address: SocketAddress, peer: SessionRemote, size: int) -> None:
        path = peer.path
        if path is None or path.address != address:
            path = peer.path = Revival(address) if peer.doubted else Path(address)
        now = self.layer.loop.time()
        if path.hear(message, size, self._challenges, now):
            self._proved(message, peer, path)
            return
        if peer.session is None:
            return
        if path.is_hopeless and self.stored is not None:
            self.stored.give_up(peer)
            return
        question = peer.session.seal(path.question(message, self._challenges, now))
        if path.may_send(len(question)):
            self.send_datagram(question, address)

    def _proved(self, proof: bytes, peer: SessionRemote, path: Path) -> None:
        if path.address != peer.socket_address:
            logger.info("A peer has moved", identity=peer.identity, peer=peer.hostinfo, to=host_and_port(path.address))
        if peer.doubted and peer.session is not None:
            logger.info("A DTLS session goes on", identity=peer.identity, peer=host_and_port(path.address))
            peer.session.forget_older()
            peer.doubted = False
        peer.path = None
        peer.socket_address = path.address
        peer.round_trip = None
        for message in (*path.waiting, proof):
            peer.bytes_in += len(message)
            self.layer.receive(message, peer)

    # Sessions begin

    def _established(self, pending: Pending, session: Session) -> None:
        awaited = None if self.stored is None else self.stored.known(pending.granted, pending.address)
        peer = awaited or self.new_peer(pending.address, pending.granted)
        peer.is_called = not pending.handshake.is_server
        if pending.handshake.is_server:
            peer.finale = pending.handshake
        self._peers.establish(peer, session)
        logger.debug("A DTLS session is established", peer=peer.hostinfo, identity=peer.identity)
        if pending.established is not None and not pending.established.done():
            pending.established.set_result(peer)

    def new_peer(self, address: SocketAddress, identity: str) -> SessionRemote:
        """A peer that was not known before."""
        peer = self.new_remote(address, identity)
        assert isinstance(peer, SessionRemote)  # noqa: S101  # `remote_class` says so
        return peer

    # Sending

    def send(self, datagram: bytes, remote: Remote) -> None:
        """Seal and send a message; it is lost when the peer has no session, here or in the store."""
        if not isinstance(remote, SessionRemote):
            return
        session = remote.session
        if session is None:
            if self.stored is not None:
                self.stored.wake(remote, datagram)
            return
        remote.bytes_out += len(datagram)
        if remote.listener is not None:
            remote.listener(False, datagram)
        try:
            sealed = session.seal(datagram)
        except UnusableSession as error:
            logger.info("A DTLS session failed", peer=remote.hostinfo, reason=error.message)
            return
        self.send_datagram(sealed, remote.socket_address)

    # The end of a session

    def drop_identity(self, identity: str) -> None:
        """The credential was revoked or removed: end its sessions, fail what is under way."""
        if self.stored is not None:
            self.stored.gone(identity)
        for peer in self._peers.all():
            if peer.identity == identity:
                self._say_goodbye(peer)
                self._requester.fail_all(peer, NetworkError(f"The credential of {identity} is gone"))

    def _say_goodbye(self, peer: SessionRemote) -> None:
        self._ended(peer)
        if peer.session is not None:
            try:
                self.send_datagram(peer.session.seal(CLOSE_NOTIFY, ALERT), peer.socket_address)
            except UnusableSession as error:
                logger.info("A DTLS session ends without a word", peer=peer.hostinfo, reason=error.message)
        self._peers.forget(peer)

    def _ended(self, peer: SessionRemote) -> None:
        if self.stored is not None:
            self.stored.ended(peer)

    # Peers

    async def resolve(self, host: str, port: int) -> Remote:
        """The peer at a host, after a handshake when there is no session with it yet."""
        address = await self.resolve_address(host, port)
        peer = self._peers.get(address)
        if peer is not None:
            return peer
        pending = self._handshakes.at(address)
        under_way = None if pending is None else pending.established
        return await asyncio.shield(under_way or self._connect(host, port, address))

    def _connect(self, host: str, port: int, address: SocketAddress) -> asyncio.Future[Remote]:
        credential = self._credentials.server(host, port)
        if credential is None:
            raise HandshakeFailed(f"There is no credential for {host}:{port}", hint="Add one to the credential store")
        return self._handshakes.connect(ClientHandshake(client_policy(credential)), address, name_of(credential))

    def move(self, remote: Remote, new: Remote) -> None:
        """The session of `new` carries `remote` from now on."""
        if isinstance(remote, SessionRemote) and isinstance(new, SessionRemote):
            self._peers.hand_over(new, remote)

    async def close(self) -> None:
        """Let sessions rest where `states` keeps them, or say goodbye to all peers, and close the socket."""
        self._handshakes.close()
        if self.stored is None:
            for peer in self._peers.all():
                self._say_goodbye(peer)
        else:
            await self.stored.close()
        await super().close()
