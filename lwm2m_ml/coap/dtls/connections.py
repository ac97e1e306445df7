"""Connections of OpenSSL on memory buffers: datagrams and messages in, datagrams and messages out.

They are pyOpenSSL's, but what is called for each datagram goes past it: it looks twice at what it is given, and raises
an exception whenever there is nothing to read.
"""

from __future__ import annotations

from collections.abc import Iterator

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from lwm2m_ml.coap.dtls.certificates import PeerCertificate
from lwm2m_ml.coap.dtls.records import datagrams

LARGEST_RECORD = 16384
MTU = 1400
"""No datagram of a handshake is longer; CoAP messages are smaller by themselves."""

_allocate = ffi.new_allocator(should_clear_after_alloc=False)


def new_connection(context: SSL.Context) -> SSL.Connection:
    """A connection that is still to be told which side it is of."""
    connection = SSL.Connection(context, None)
    connection.set_ciphertext_mtu(MTU)
    return connection


def handle(connection: SSL.Connection) -> int:
    """What tells connections apart in callbacks from OpenSSL."""
    return int(ffi.cast("uintptr_t", connection._ssl))


def has_good_cookie(listener: SSL.Connection, hello: bytes) -> bool:
    """Have a connection listen to a ClientHello, which it answers next if there is a cookie of ours in it."""
    take_in(listener, hello)
    try:
        listener.DTLSv1_listen()
    except SSL.Error:
        lib.ERR_clear_error()  # or OpenSSL before 4 takes them for errors of the session that reads next
        return False
    return True


def take_in(connection: SSL.Connection, datagram: bytes) -> None:
    """Give OpenSSL what came from the peer."""
    lib.BIO_write(connection._into_ssl, datagram, len(datagram))


def outgoing(connection: SSL.Connection) -> Iterator[bytes]:
    """The datagrams that OpenSSL wants to send; the buffer has them end to end, so a long flight is cut anew."""
    if waiting := lib.BIO_get_mem_data(connection._from_ssl, ffi.NULL):
        room = _allocate("char[]", waiting)
        lib.BIO_read(connection._from_ssl, room, waiting)
        if waiting <= MTU:
            yield ffi.buffer(room)[:]
        else:
            yield from datagrams(ffi.buffer(room)[:], MTU)


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


def encrypt(connection: SSL.Connection, message: bytes) -> None:
    """Have a message among what is to be sent. Raises SSL.Error."""
    result = lib.SSL_write(connection._ssl, message, len(message))
    if result <= 0:
        connection._raise_ssl_error(connection._ssl, result)


def _check_that_it_waits(connection: SSL.Connection, result: int) -> None:
    """Raise SSL.Error if OpenSSL did not succeed for any other reason than that nothing more has arrived."""
    if lib.SSL_get_error(connection._ssl, result) != lib.SSL_ERROR_WANT_READ:
        connection._raise_ssl_error(connection._ssl, result)


def peer_certificate(connection: SSL.Connection) -> PeerCertificate | None:
    """What the peer showed, if it showed a certificate."""
    own = connection.get_peer_certificate(as_cryptography=True)
    if own is None:
        return None
    chain = connection.get_peer_cert_chain(as_cryptography=True) or []
    return PeerCertificate(own, tuple(other for other in chain if other != own))
