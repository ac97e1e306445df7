"""One DTLS session with one peer: bytes in, bytes out, a timer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from OpenSSL import SSL

from lwm2m_ml.coap.dtls.connections import handle, take_in

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls.credentials import Granted, ServerCredential
    from lwm2m_ml.coap.remote import Remote, SocketAddress

BEFORE_FINISHED = b"SSLv3/TLS read change cipher spec"
TIMER_SLACK = 0.001
"""OpenSSL answers a timer that comes a moment too early with nothing."""


class DtlsSession:
    """The OpenSSL connection of a peer, and what is known about the peer."""

    __slots__ = (
        "address",
        "begun_at",
        "client_random",
        "connection",
        "credential",
        "established",
        "failure",
        "finished_in_vain",
        "granted",
        "handle",
        "remote",
        "timer",
    )

    def __init__(
        self, connection: SSL.Connection, address: SocketAddress, begun_at: float, client_random: bytes = b""
    ) -> None:
        self.connection = connection
        self.address = address
        self.client_random = client_random
        self.handle = handle(connection)
        self.granted: Granted | None = None
        self.credential: ServerCredential | None = None
        self.remote: Remote | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.established: asyncio.Future[Remote] | None = None
        self.failure = ""
        """Why the handshake fails, if it fails next."""
        self.finished_in_vain = 0
        """How often the peer's Finished came and could not be read."""
        self.begun_at = begun_at

    @property
    def expects_finished(self) -> bool:
        """Whether the peer has changed to the new keys, and only its Finished is missing."""
        return bool(self.connection.get_state_string() == BEFORE_FINISHED)

    def take(self, datagram: bytes) -> None:
        """Give a datagram of the peer to OpenSSL."""
        take_in(self.connection, datagram)

    def next_timeout(self) -> float | None:
        """Seconds until the handshake flight must be repeated."""
        timeout = self.connection.DTLSv1_get_timeout()
        return None if timeout is None else timeout + TIMER_SLACK

    def keep_resumable(self) -> None:
        """OpenSSL forgets a session whose connection goes away without goodbye; over UDP that is nothing unusual."""
        self.connection.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)

    def cancel_timer(self) -> None:
        """No timer any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
