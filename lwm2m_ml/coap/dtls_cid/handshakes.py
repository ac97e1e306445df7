"""The handshakes under way on a socket: begun by ClientHellos with a good cookie or by us, driven, repeated, ended.

Records of one datagram may belong to one handshake: what it answers leaves when all were taken in, see `advance`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.coap.dtls.limits import TokenBucket
from lwm2m_ml.coap.dtls12.errors import HandshakeError
from lwm2m_ml.coap.dtls12.handshake import Handshake
from lwm2m_ml.coap.dtls12.listener import Greeting, Listener, is_client_hello
from lwm2m_ml.coap.dtls12.numbers import TLS12_CID, Alert
from lwm2m_ml.coap.dtls12.records import Record, plain_alert
from lwm2m_ml.coap.dtls12.server import ServerHandshake, ServerPolicy
from lwm2m_ml.coap.dtls12.session import Session
from lwm2m_ml.coap.errors import HandshakeFailed

if TYPE_CHECKING:
    from lwm2m_ml.coap.remote import Remote, SocketAddress
    from lwm2m_ml.coap.settings import CoapSettings

logger = structlog.get_logger(__name__)

WORTH_A_WARNING = frozenset({Alert.UNKNOWN_PSK_IDENTITY, Alert.CERTIFICATE_UNKNOWN, Alert.DECRYPT_ERROR})
"""Somebody with the wrong credentials is news to an operator; a peer that speaks another dialect is not."""


class Pending:
    """A handshake under way with whoever is at an address."""

    __slots__ = ("address", "begun_at", "established", "handshake", "identity", "timer")

    def __init__(self, handshake: Handshake, address: SocketAddress, begun_at: float, identity: str = "") -> None:
        """`identity` is the peer's, where it is known before the handshake ends: a client knows whom it calls."""
        self.handshake = handshake
        self.address = address
        self.begun_at = begun_at
        self.identity = identity
        self.established: asyncio.Future[Remote] | None = None
        self.timer: asyncio.TimerHandle | None = None

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

    def fail(self, error: HandshakeFailed) -> None:
        """Tell whoever waits for it."""
        if self.established is not None and not self.established.done():
            self.established.set_exception(error)


class Handshakes:
    """All of a socket, at most one with an address, the oldest giving way when there are too many."""

    __slots__ = (
        "_bucket",
        "_by_address",
        "_by_cid",
        "_listener",
        "_loop",
        "_on_established",
        "_policy",
        "_send",
        "_settings",
        "_under_way",
    )

    def __init__(
        self,
        settings: CoapSettings,
        policy: ServerPolicy,
        send: Callable[[bytes, SocketAddress], object],
        on_established: Callable[[Pending, Session], object],
    ) -> None:
        """Needs a running event loop. `on_established` gets each session with the handshake that made it."""
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._policy = policy
        self._send = send
        self._on_established = on_established
        now = self._loop.time()
        self._listener = Listener(now)
        self._bucket = TokenBucket(settings.handshakes_per_second, now)
        self._by_address: dict[SocketAddress, Pending] = {}
        self._by_cid: dict[bytes, Pending] = {}
        self._under_way: Pending | None = None

    def at(self, address: SocketAddress) -> Pending | None:
        """The handshake with an address."""
        return self._by_address.get(address)

    def has_promised(self, cid: bytes) -> bool:
        """Whether a connection id was given out in one of them."""
        return cid in self._by_cid

    def all(self) -> list[Pending]:
        """Every one."""
        return list(self._by_address.values())

    # Receiving

    def receive(self, record: Record, address: SocketAddress) -> bool:
        """Take in a record that belongs to a handshake, or begins one; False: it does neither."""
        pending = self._by_cid.get(record.cid) if record.type == TLS12_CID else self._by_address.get(address)
        if is_client_hello(record) and not (pending is not None and _repeats_hello(record, pending)):
            self._under_way = self._receive_hello(record, address) or self._under_way
            return True
        if pending is None or pending.address != address:
            return False
        if self._under_way is not pending:
            self.advance()
        try:
            pending.handshake.receive(record)
            self._under_way = pending
        except HandshakeError as error:
            self._under_way = None
            self._fail(pending, error)
        return True

    def advance(self) -> None:
        """Have the handshake that took in records answer them."""
        pending, self._under_way = self._under_way, None
        if pending is not None:
            self._advance(pending)

    def _receive_hello(self, record: Record, address: SocketAddress) -> Pending | None:
        now = self._loop.time()
        answer = self._listener.receive(record, address, now)
        if isinstance(answer, bytes):
            self._send(answer, address)
        if not isinstance(answer, Greeting) or not self._bucket.take(now):
            return None
        try:
            handshake = answer.begin(self._policy)
        except HandshakeError as error:
            logger.info("A DTLS handshake failed", peer=host_and_port(address), reason=error.message, identity=None)
            if error.alert is not None:
                self._send(plain_alert(error.alert), address)
            return None
        pending = Pending(handshake, address, now)
        self._begin(pending)
        return pending

    # From the beginning to the end

    def connect(self, handshake: Handshake, address: SocketAddress, identity: str) -> asyncio.Future[Remote]:
        """Begin one as the client; returns the peer when there is a session."""
        pending = Pending(handshake, address, self._loop.time(), identity)
        pending.established = established = self._loop.create_future()
        established.add_done_callback(_seen)
        self._begin(pending)
        self._advance(pending)
        return established

    def close(self) -> None:
        """End all."""
        for pending in self.all():
            self._end(pending)
            pending.fail(HandshakeFailed("The endpoint was closed during a handshake"))

    def _begin(self, pending: Pending) -> None:
        earlier = self._by_address.get(pending.address)
        if earlier is None and len(self._by_address) >= self._settings.maximum_handshakes:
            earlier = next(iter(self._by_address.values()))
        if earlier is not None:
            self._end(earlier)
        self._by_address[pending.address] = pending
        if pending.handshake.own_cid:
            self._by_cid[pending.handshake.own_cid] = pending

    def _advance(self, pending: Pending) -> None:
        """Send what the handshake has to say, and see whether it is complete."""
        handshake = pending.handshake
        self._send_flight(pending)
        if handshake.complete and handshake.session is not None:
            self._end(pending)
            self._on_established(pending, handshake.session)
            return
        pending.cancel_timer()
        timeout = handshake.timeout
        if timeout is not None:
            pending.timer = self._loop.call_later(timeout, self._repeat_flight, pending)

    def _send_flight(self, pending: Pending) -> None:
        for datagram in pending.handshake.outgoing:
            self._send(datagram, pending.address)
        pending.handshake.outgoing = []

    def _repeat_flight(self, pending: Pending) -> None:
        if self._loop.time() - pending.begun_at > self._settings.handshake_timeout:
            self._fail(pending, HandshakeError(None, "the peer did not finish the handshake in time"))
            return
        pending.handshake.repeat()
        self._advance(pending)

    def _end(self, pending: Pending) -> None:
        pending.cancel_timer()
        if self._by_address.get(pending.address) is pending:
            del self._by_address[pending.address]
        self._by_cid.pop(pending.handshake.own_cid, None)

    def _fail(self, pending: Pending, error: HandshakeError) -> None:
        self._send_flight(pending)
        self._end(pending)
        if error.alert is not None:
            self._send(plain_alert(error.alert), pending.address)
        identity, reason, where = pending.granted, error.message, host_and_port(pending.address)
        if error.alert is Alert.DECRYPT_ERROR and pending.handshake.is_server and identity:
            reason = f"the key of {identity} is another one"
        log = logger.warning if error.alert in WORTH_A_WARNING else logger.info
        log("A DTLS handshake failed", peer=where, reason=reason, identity=identity or None)
        hint = "Compare identity and key, or certificates, on both sides"
        pending.fail(HandshakeFailed(f"No DTLS session with {where}: {reason}", hint=hint))


def host_and_port(address: SocketAddress) -> str:
    """An address as people write it."""
    return f"{str(address[0]).removeprefix('::ffff:')}:{address[1]}"


def _repeats_hello(record: Record, pending: Pending) -> bool:
    """Whether a ClientHello is the one that began the handshake under way."""
    random = pending.handshake.client_random
    return pending.handshake.is_server and bool(random) and random in record.content


def _seen(future: asyncio.Future[Remote]) -> None:
    """A handshake that fails after everybody stopped waiting is no news."""
    if not future.cancelled():
        future.exception()
