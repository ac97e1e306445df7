"""The client's side of a DTLS socket: contexts for its credentials, and sessions that servers may resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from OpenSSL import SSL

from lwm2m_ml.coap.dtls.certificates import PeerCertificate, TrustedPeer
from lwm2m_ml.coap.dtls.connections import new_connection
from lwm2m_ml.coap.dtls.credentials import Granted, OwnCertificate, OwnKey, PreSharedKey
from lwm2m_ml.coap.dtls.openssl import (
    FindOwnKey,
    certificate_client_context,
    key_client_context,
    use_own_certificate,
)
from lwm2m_ml.coap.errors import HandshakeFailed

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls.credentials import ServerCredential
    from lwm2m_ml.coap.remote import SocketAddress

MOST_RESUMABLE = 1_000
"""Servers whose sessions a client remembers."""


class ClientSide:
    """Makes connections to servers."""

    __slots__ = ("_contexts", "_kept_alive", "_own_key", "_resumable")

    def __init__(self, own_key: FindOwnKey) -> None:
        """`own_key` tells OpenSSL identity and key for a connection."""
        self._own_key = own_key
        self._contexts: dict[type, SSL.Context] = {}
        self._kept_alive: list[Any] = []
        self._resumable: dict[SocketAddress, tuple[ServerCredential, SSL.Session]] = {}

    def connection(self, credential: ServerCredential, address: SocketAddress) -> SSL.Connection:
        """A connection that shows a credential, and resumes the session before it if there is one."""
        if isinstance(credential.secret, OwnKey):
            raise HandshakeFailed("Raw public keys need DTLS with connection ids", hint="Choose dtls_engine = 'cid'")
        connection = new_connection(self._context(type(credential.secret)))
        connection.set_connect_state()
        if isinstance(credential.secret, OwnCertificate):
            use_own_certificate(connection, credential.secret)
        if credential.server_name:
            connection.set_tlsext_host_name(credential.server_name.encode())
        known = self._resumable.get(address)
        if known is not None and known[0] == credential:
            connection.set_session(known[1])
        return connection

    def _context(self, kind: type) -> SSL.Context:
        if kind not in self._contexts:
            if kind is OwnCertificate:
                self._contexts[kind] = certificate_client_context()
            else:
                self._contexts[kind], callback = key_client_context(self._own_key)
                self._kept_alive.append(callback)
        return self._contexts[kind]

    def remember(self, address: SocketAddress, credential: ServerCredential, connection: SSL.Connection) -> None:
        """The next handshake with this server is a short one, if the server likes (RFC 5246 §7.3)."""
        kept = connection.get_session()
        if kept is None:
            return
        self._resumable.pop(address, None)
        if len(self._resumable) >= MOST_RESUMABLE:
            del self._resumable[next(iter(self._resumable))]
        self._resumable[address] = (credential, kept)

    def forget(self, address: SocketAddress) -> None:
        """Resume nothing with this server."""
        self._resumable.pop(address, None)


def judge_server(credential: ServerCredential, shown: PeerCertificate | None) -> Granted | None:
    """Who a server is, which has proved that it holds the key of what it shows; None: not the one that we know."""
    if isinstance(credential.secret, PreSharedKey):
        return Granted(credential.secret.identity)
    if shown is None or not isinstance(credential.server, TrustedPeer) or not credential.server.accepts(shown):
        return None
    return Granted(shown.common_name or "server")
