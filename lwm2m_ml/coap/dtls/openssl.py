"""OpenSSL contexts for DTLS 1.2, and the pre-shared key callbacks that pyOpenSSL does not offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from lwm2m_ml.coap.dtls.credentials import OwnCertificate

DTLS_1_2 = 0xFEFD
PSK_SUITES = "PSK-AES128-CCM8:PSK-AES128-CCM:PSK-AES128-GCM-SHA256"
CERTIFICATE_SUITES = "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-GCM-SHA256"
PSK_SERVER_CALLBACK = "unsigned int(SSL *, const char *, unsigned char *, unsigned int)"
PSK_CLIENT_CALLBACK = "unsigned int(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)"

# OpenSSL counts CCM_8 as weak whatever the key; level 0 admits it, and we check keys ourselves (`has_strong_key`).
SECURITY_LEVEL = "@SECLEVEL=0"

FindKey = Callable[[int, str], bytes | None]
"""The key for a connection (its handle) and the identity that the peer sent."""
FindOwnKey = Callable[[int], tuple[bytes, bytes] | None]
"""Our identity and key for a connection of ours."""


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
