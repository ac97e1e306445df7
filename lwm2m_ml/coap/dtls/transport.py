"""CoAP over DTLS 1.2 (RFC 7252 §9, RFC 7925): sessions by address, both as server and as client.

A datagram finds its session so:

    ClientHello, epoch 0       the stateless listener; a good cookie begins a pending session
    handshake, key change      the pending session of that address, else the established one
    alert, application data    the established session, else the pending one
    anything else, no session  dropped

A pending session replaces the established one when its handshake is complete, not before: a forged ClientHello
therefore ends nothing (RFC 6347 §4.2.8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog
from OpenSSL import SSL

from lwm2m_ml.coap.datagrams import DatagramTransport
from lwm2m_ml.coap.dtls.client import ClientSide, judge_server
from lwm2m_ml.coap.dtls.connections import (
    encrypt,
    has_good_cookie,
    incoming,
    new_connection,
    outgoing,
    peer_certificate,
    shake,
)
from lwm2m_ml.coap.dtls.cookies import Cookies, asks_for_cookie, client_random
from lwm2m_ml.coap.dtls.credentials import CredentialLookup, Granted, OwnCertificate, PreSharedKey
from lwm2m_ml.coap.dtls.limits import TokenBucket
from lwm2m_ml.coap.dtls.openssl import server_context
from lwm2m_ml.coap.dtls.records import carries_finished, wrong_key_alert
from lwm2m_ml.coap.dtls.session import TIMER_SLACK, DtlsSession
from lwm2m_ml.coap.dtls.table import SessionTable
from lwm2m_ml.coap.errors import HandshakeFailed, NetworkError

if TYPE_CHECKING:
    from lwm2m_ml.coap.remote import Remote, SocketAddress
    from lwm2m_ml.coap.requester import Requester
    from lwm2m_ml.coap.responder import Responder
    from lwm2m_ml.coap.settings import CoapSettings

logger = structlog.get_logger(__name__)

CHANGE_CIPHER_SPEC = 20
HANDSHAKE = 22
HANDSHAKE_TYPES = frozenset({CHANGE_CIPHER_SPEC, HANDSHAKE})
KNOWN_TYPES = range(20, 24)
MOST_IN_VAIN = 2
"""One Finished that cannot be read may be forged."""


class DtlsTransport(DatagramTransport):
    """One UDP socket with DTLS sessions on it."""

    __slots__ = (
        "_bucket",
        "_client",
        "_cookies",
        "_credentials",
        "_kept_alive",
        "_listener",
        "_named",
        "_own",
        "_requester",
        "_server",
        "_sessions",
    )

    scheme = "coaps"

    def __init__(
        self,
        settings: CoapSettings,
        requester: Requester,
        responder: Responder,
        credentials: CredentialLookup,
        own: OwnCertificate | None = None,
        *,
        named: Mapping[str, OwnCertificate] | None = None,
    ) -> None:
        super().__init__(settings, requester, responder)
        self._requester = requester
        self._credentials = credentials
        self._cookies = Cookies()
        self._sessions = SessionTable(settings.maximum_sessions, settings.maximum_handshakes)
        self._bucket = TokenBucket(settings.handshakes_per_second, self.layer.loop.time())
        self._own = own
        self._named = named or {}
        for shown in (*([] if own is None else [own]), *self._named.values()):
            shown.check()
        self._client = ClientSide(self._own_key)
        self._server: SSL.Context | None = None
        self._kept_alive: Any = None
        self._listener: SSL.Connection | None = None

    # Callbacks of OpenSSL

    def _find_key(self, connection: int, identity: str) -> bytes | None:
        session = self._sessions.by_handle(connection)
        if session is None:
            return None
        granted = self._credentials.pre_shared_key(identity)
        if granted is None:
            session.failure = f"the PSK identity {identity!r} is not known"
            return None
        session.granted = granted
        session.failure = f"the key of {granted.identity} is another one"
        return granted.key

    def _own_key(self, connection: int) -> tuple[bytes, bytes] | None:
        session = self._sessions.by_handle(connection)
        secret = None if session is None or session.credential is None else session.credential.secret
        return (secret.identity.encode(), secret.key) if isinstance(secret, PreSharedKey) else None

    # Receiving

    def datagram_received(self, data: bytes, addr: SocketAddress) -> None:
        """One datagram of DTLS records."""
        self.bytes_in += len(data)
        if not data or data[0] not in KNOWN_TYPES or len(data) > self.settings.maximum_datagram:
            return
        random = client_random(data)
        if random is not None:
            self._client_hello(data, addr, random)
            return
        session = self._sessions.of(addr, handshake=data[0] in HANDSHAKE_TYPES)
        if session is not None:
            session.take(data)
            self._advance(session)
            if session.remote is None and session.expects_finished and carries_finished(data):
                self._finished_in_vain(session)

    def _finished_in_vain(self, session: DtlsSession) -> None:
        """OpenSSL drops what it cannot decrypt and waits; a peer whose Finished never fits has another key."""
        session.finished_in_vain += 1
        if session.finished_in_vain >= MOST_IN_VAIN:
            self.send_datagram(wrong_key_alert(), session.address)
            self._fail(session, session.failure or "the keys of the two sides differ")

    def _client_hello(self, data: bytes, address: SocketAddress, random: bytes) -> None:
        pending = self._sessions.pending(address)
        if pending is not None and pending.client_random == random:
            pending.take(data)
            self._advance(pending)
            return
        self._cookies.attend(address)
        if asks_for_cookie(data):
            self.send_datagram(self._cookies.request(data), address)
            return
        listener = self._listener or self._new_listener()
        if not has_good_cookie(listener, data):
            for answer in outgoing(listener):  # a HelloVerifyRequest with another cookie; nothing is kept
                self.send_datagram(answer, address)
            return
        self._listener = None
        now = self.layer.loop.time()
        if not self._bucket.take(now):
            return
        session = DtlsSession(listener, address, now, random)
        self._sessions.begin(session)
        self._advance(session)

    def _new_listener(self) -> SSL.Connection:
        """The connection that answers the next ClientHello; a device that only connects never needs one."""
        if self._server is None:
            self._server, self._kept_alive = server_context(
                self._own, self._named, self._find_key, self._cookies.make, self._cookies.is_good
            )
        self._listener = new_connection(self._server)
        return self._listener

    def _advance(self, session: DtlsSession) -> None:
        if session.remote is None:
            self._handshake(session)
        else:
            self._receive(session, session.remote)

    def _handshake(self, session: DtlsSession) -> None:
        try:
            complete = shake(session.connection)
        except SSL.Error as error:
            self._flush(session)
            self._fail(session, session.failure or _reason(error))
            return
        self._flush(session)
        if not complete:
            self._arm(session)
            return
        granted = self._judge(session)
        if granted is None:
            self._say_goodbye(session)
            self._fail(session, session.failure or "the peer proved no identity")
            return
        self._establish(session, granted)

    def _judge(self, session: DtlsSession) -> Granted | None:
        """Who the peer is, now that it has proved that it holds its key."""
        shown = peer_certificate(session.connection)
        if session.credential is not None:
            return judge_server(session.credential, shown)
        if shown is not None:
            session.failure = "the certificate is not accepted"
            return self._credentials.certificate(shown) if shown.has_strong_key else None
        if session.granted is not None:
            return session.granted
        resumed = self._sessions.resumed(session.connection.master_key())
        return resumed if resumed is not None and self._credentials.is_valid(resumed.identity) else None

    def _establish(self, session: DtlsSession, granted: Granted) -> None:
        session.cancel_timer()
        session.granted = granted
        session.remote = self.new_remote(session.address, granted.identity)
        if session.credential is None:
            self._sessions.remember(session.connection.master_key(), granted)
        else:
            self._client.remember(session.address, session.credential, session.connection)
        replaced = self._sessions.establish(session)
        if replaced is not None:
            replaced.cancel_timer()
        logger.debug("A DTLS session is established", peer=session.remote.hostinfo, identity=granted.identity)
        if session.established is not None and not session.established.done():
            session.established.set_result(session.remote)
        self._receive(session, session.remote)

    def _receive(self, session: DtlsSession, remote: Remote) -> None:
        try:
            for message in incoming(session.connection):
                remote.bytes_in += len(message)
                self.layer.receive(message, remote)
        except SSL.ZeroReturnError:
            self._end(session)
            if session.credential is not None:
                self._requester.fail_all(remote, NetworkError(f"{remote.hostinfo} ended the DTLS session"))
        except SSL.Error as error:
            logger.info("A DTLS session failed", peer=remote.hostinfo, reason=_reason(error))
            self._end(session)
        self._flush(session)

    # Sending

    def send(self, datagram: bytes, remote: Remote) -> None:
        """Encrypt and send a message; it is lost when the peer has no session."""
        session = self._sessions.established(remote.socket_address)
        if session is None or session.remote is not remote:
            return
        remote.bytes_out += len(datagram)
        if remote.listener is not None:
            remote.listener(False, datagram)
        try:
            encrypt(session.connection, datagram)
        except SSL.Error as error:
            logger.info("A DTLS session failed", peer=remote.hostinfo, reason=_reason(error))
            self._end(session)
        self._flush(session)

    def _flush(self, session: DtlsSession) -> None:
        for datagram in outgoing(session.connection):
            self.send_datagram(datagram, session.address)

    def _arm(self, session: DtlsSession) -> None:
        session.cancel_timer()
        timeout = session.next_timeout()
        if timeout is None:
            timeout = self.settings.handshake_timeout + TIMER_SLACK
        session.timer = self.layer.loop.call_later(timeout, self._repeat_flight, session)

    def _repeat_flight(self, session: DtlsSession) -> None:
        if self.layer.loop.time() - session.begun_at > self.settings.handshake_timeout:
            self._fail(session, session.failure or "the peer did not finish the handshake in time")
            return
        try:
            session.connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(session, _reason(error))
            return
        self._flush(session)
        self._arm(session)

    # The end of a session

    def _fail(self, session: DtlsSession, reason: str) -> None:
        self._end(session)
        self._client.forget(session.address)
        identity = None if session.granted is None else session.granted.identity
        log = logger.warning if session.failure else logger.info
        log("A DTLS handshake failed", peer=_host_and_port(session.address), reason=reason, identity=identity)
        if session.established is not None and not session.established.done():
            error = HandshakeFailed(
                f"No DTLS session with {_host_and_port(session.address)}: {reason}",
                hint="Compare identity and key, or certificates, on both sides",
            )
            session.established.set_exception(error)

    def _end(self, session: DtlsSession) -> None:
        """Forget a session; requests to its peer end by their own time-outs unless the peer comes back."""
        session.cancel_timer()
        session.keep_resumable()
        self._sessions.forget(session)

    def drop_identity(self, identity: str) -> None:
        """The credential was revoked or removed: end its sessions, fail what is under way."""
        for session in self._sessions.of_identity(identity):
            self._say_goodbye(session)
            self._end(session)
            if session.remote is not None:
                self._requester.fail_all(session.remote, NetworkError(f"The credential of {identity} is gone"))

    def _say_goodbye(self, session: DtlsSession) -> None:
        try:
            session.connection.shutdown()
        except SSL.Error as error:
            logger.debug("A DTLS session had ended already", reason=_reason(error))
        self._flush(session)

    # Peers

    async def resolve(self, host: str, port: int) -> Remote:
        """The peer at a host, after a handshake when there is no session with it yet."""
        address = await self.resolve_address(host, port)
        session = self._sessions.established(address)
        if session is not None and session.remote is not None:
            return session.remote
        pending = self._sessions.pending(address)
        under_way = None if pending is None else pending.established
        return await asyncio.shield(under_way or self._connect(host, port, address))

    def _connect(self, host: str, port: int, address: SocketAddress) -> asyncio.Future[Remote]:
        credential = self._credentials.server(host, port)
        if credential is None:
            raise HandshakeFailed(f"There is no credential for {host}:{port}", hint="Add one to the credential store")
        connection = self._client.connection(credential, address)
        session = DtlsSession(connection, address, self.layer.loop.time())
        session.credential = credential
        established: asyncio.Future[Remote] = self.layer.loop.create_future()
        established.add_done_callback(_seen)
        session.established = established
        self._sessions.begin(session)
        self._handshake(session)
        return established

    def move(self, remote: Remote, new: Remote) -> None:
        """The session of `new` carries `remote` from now on."""
        session = self._sessions.established(new.socket_address)
        if session is not None and session.remote is new:
            session.remote = remote
        remote.socket_address = new.socket_address

    async def close(self) -> None:
        """Say goodbye to every peer and close the socket."""
        for session in self._sessions.all():
            if session.remote is not None:
                self._say_goodbye(session)
            if session.established is not None and not session.established.done():
                session.established.set_exception(HandshakeFailed("The endpoint was closed during a handshake"))
            self._end(session)
        await super().close()


def _host_and_port(address: SocketAddress) -> str:
    return f"{str(address[0]).removeprefix('::ffff:')}:{address[1]}"


def _reason(error: SSL.Error) -> str:
    """What OpenSSL says, without its stack of triples."""
    if error.args and isinstance(error.args[0], list) and error.args[0]:
        return str(error.args[0][0][-1])
    return str(error) or type(error).__name__


def _seen(future: asyncio.Future[Remote]) -> None:
    """A handshake that fails after everybody stopped waiting is no news."""
    if not future.cancelled():
        future.exception()
