"""OpenSSL contexts for DTLS 1.2, and the pre-shared key callbacks that pyOpenSSL does not offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from lwm2m_ml.coap.dtls.certificates import PeerCertificate
from lwm2m_ml.coap.dtls.credentials import OwnCertificate

DTLS_1_2 = 0xFEFD
PSK_SUITES = "PSK-AES128-CCM8:PSK-AES128-CCM:PSK-AES128-GCM-SHA256"
CERTIFICATE_SUITES = "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-GCM-SHA256"
PSK_SERVER_CALLBACK = "unsigned int(SSL *, const char *, unsigned char *, unsigned int)"
PSK_CLIENT_CALLBACK = "unsigned int(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)"
LARGEST_RECORD = 16384
MTU = 1400
"""Handshake flights are cut to this; CoAP messages are smaller by themselves."""

# OpenSSL counts CCM_8 as weak whatever the key; level 0 admits it, and we check keys ourselves (`has_strong_key`).
SECURITY_LEVEL = "@SECLEVEL=0"

_allocate = ffi.new_allocator(should_clear_after_alloc=False)

FindKey = Callable[[int, str], bytes | None]
"""The key for a connection (its handle) and the identity that the peer sent."""
FindOwnKey = Callable[[int], tuple[bytes, bytes] | None]
"""Our identity and key for a connection of ours."""


def handle(connection: SSL.Connection) -> int:
    """What tells connections apart in callbacks from OpenSSL."""
    return int(ffi.cast("uintptr_t", connection._ssl))


def server_context(
    own: OwnCertificate | None,
    named: Mapping[str, OwnCertificate],
    find_key: FindKey,
    cookie_of: Callable[[], bytes],
    cookie_is_good: Callable[[bytes], bool],
) -> tuple[SSL.Context, Any]:
    """A context for incoming sessions, and the callback object that must live as long as it.

    `own` is shown to who asks for no name, or for one that is not in `named` (SNI, RFC 6066 §3).
    """
    context = _context(SSL.DTLS_SERVER_METHOD, f"{PSK_SUITES}:{CERTIFICATE_SUITES}" if own else PSK_SUITES)
    # Sessions are resumed by their id; to seal a ticket for each takes a tenth of a handshake.
    context.set_options(SSL.OP_COOKIE_EXCHANGE | SSL.OP_NO_TICKET)
    context.set_cookie_generate_callback(lambda _connection: cookie_of())
    context.set_cookie_verify_callback(lambda _connection, cookie: cookie_is_good(cookie))
    context.set_session_id(b"lwm2m-ml")
    if own is not None:
        _use_certificate(context, own)
        context.set_verify(SSL.VERIFY_PEER, _accept_for_now)

    def choose_certificate(connection: SSL.Connection) -> None:
        chosen = named.get((connection.get_servername() or b"").decode("ascii", "replace").lower())
        if chosen is not None:
            use_own_certificate(connection, chosen)

    if named:
        context.set_tlsext_servername_callback(choose_certificate)

    def psk_server(ssl: Any, identity: Any, out: Any, room: int) -> int:
        name = ffi.string(identity).decode(errors="surrogateescape")
        key = find_key(int(ffi.cast("uintptr_t", ssl)), name)
        if not key or len(key) > room:
            return 0
        ffi.memmove(out, key, len(key))
        return len(key)

    callback = ffi.callback(PSK_SERVER_CALLBACK, psk_server, error=0)
    lib.SSL_CTX_set_psk_server_callback(context._context, callback)
    return context, callback


def certificate_client_context() -> SSL.Context:
    """A context for outgoing sessions with certificates."""
    context = _context(SSL.DTLS_CLIENT_METHOD, CERTIFICATE_SUITES)
    context.set_verify(SSL.VERIFY_PEER, _accept_for_now)
    return context


def key_client_context(own_key: FindOwnKey) -> tuple[SSL.Context, Any]:
    """A context for outgoing sessions with pre-shared keys, and the callback that must live as long as it."""
    context = _context(SSL.DTLS_CLIENT_METHOD, PSK_SUITES)

    def psk_client(ssl: Any, _hint: Any, identity: Any, identity_room: int, out: Any, room: int) -> int:
        ours = own_key(int(ffi.cast("uintptr_t", ssl)))
        if ours is None or len(ours[0]) >= identity_room or len(ours[1]) > room:
            return 0
        ffi.memmove(identity, ours[0] + b"\x00", len(ours[0]) + 1)
        ffi.memmove(out, ours[1], len(ours[1]))
        return len(ours[1])

    callback = ffi.callback(PSK_CLIENT_CALLBACK, psk_client, error=0)
    lib.SSL_CTX_set_psk_client_callback(context._context, callback)
    return context, callback


def _context(method: int, suites: str) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(DTLS_1_2)
    context.set_max_proto_version(DTLS_1_2)
    context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # sessions are many and mostly silent
    context.set_cipher_list(f"{suites}:{SECURITY_LEVEL}".encode())
    return context


def _accept_for_now(_connection: object, _certificate: object, _error: int, _depth: int, _ok: int) -> bool:
    """The chain is judged after the handshake, by the credential lookup, which knows the four usages."""
    return True


def _use_certificate(target: SSL.Context, own: OwnCertificate) -> None:
    target.use_certificate(own.certificate)
    target.use_privatekey(own.private_key)
    for other in own.chain:
        target.add_extra_chain_cert(other)


def use_own_certificate(connection: SSL.Connection, own: OwnCertificate) -> None:
    """Show this certificate on one connection."""
    connection.use_certificate(own.certificate)
    connection.use_privatekey(own.private_key)


def new_connection(context: SSL.Context) -> SSL.Connection:
    """A connection on memory buffers, which is still to be told which side it is of."""
    connection = SSL.Connection(context, None)
    connection.set_ciphertext_mtu(MTU)
    return connection


def has_good_cookie(listener: SSL.Connection, hello: bytes) -> bool:
    """Have a connection listen to a ClientHello, which it answers next if there is a cookie of ours in it."""
    listener.bio_write(hello)
    try:
        listener.DTLSv1_listen()
    except SSL.Error:
        lib.ERR_clear_error()  # or OpenSSL before 4 takes them for errors of the session that reads next
        return False
    return True


# What is called all the time goes past pyOpenSSL, which raises an exception whenever there is nothing to read.


def shake(connection: SSL.Connection) -> bool:
    """Go on with a handshake, as far as what arrived allows; whether it is complete. Raises SSL.Error."""
    result = lib.SSL_do_handshake(connection._ssl)
    if result <= 0:
        _check_that_it_waits(connection, result)
    return bool(result > 0)


def incoming(connection: SSL.Connection) -> Iterator[bytes]:
    """The messages that arrived; ends with SSL.ZeroReturnError or another SSL.Error when the session ended."""
    room = _allocate("char[]", LARGEST_RECORD)
    while (length := lib.SSL_read(connection._ssl, room, LARGEST_RECORD)) > 0:
        yield ffi.buffer(room, length)[:]
    _check_that_it_waits(connection, length)


def _check_that_it_waits(connection: SSL.Connection, result: int) -> None:
    """Raise SSL.Error if OpenSSL did not succeed for any other reason than that nothing more has arrived."""
    if lib.SSL_get_error(connection._ssl, result) != lib.SSL_ERROR_WANT_READ:
        connection._raise_ssl_error(connection._ssl, result)


def outgoing(connection: SSL.Connection) -> Iterator[bytes]:
    """The datagrams that OpenSSL wants to send."""
    while waiting := lib.BIO_get_mem_data(connection._from_ssl, ffi.NULL):
        yield connection.bio_read(min(waiting, LARGEST_RECORD))


def peer_certificate(connection: SSL.Connection) -> PeerCertificate | None:
    """What the peer showed, if it showed a certificate."""
    own = connection.get_peer_certificate(as_cryptography=True)
    if own is None:
        return None
    chain = connection.get_peer_cert_chain(as_cryptography=True) or []
    return PeerCertificate(own, tuple(other for other in chain if other != own))
