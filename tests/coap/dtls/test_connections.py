"""Connections of OpenSSL on memory buffers, without sockets."""

import pytest
from OpenSSL import SSL
from OpenSSL._util import lib

from lwm2m_ml.coap.dtls.connections import (
    encrypt,
    has_good_cookie,
    incoming,
    new_connection,
    outgoing,
    shake,
    take_in,
)
from lwm2m_ml.coap.dtls.openssl import key_client_context, server_context
from tests.coap.dtls.hellos import hello

KEY = bytes(16)
COOKIE = b"c" * 20


def a_server_context() -> tuple[SSL.Context, object]:
    return server_context(None, {}, lambda *_: KEY, lambda: COOKIE, COOKIE.__eq__)


@pytest.fixture
def sides() -> tuple[SSL.Connection, SSL.Connection]:
    """A client and a server after their handshake."""
    ours, kept = a_server_context()
    theirs, also_kept = key_client_context(lambda _: (b"device-1", KEY))
    client, server = new_connection(theirs), new_connection(ours)
    client.set_connect_state()
    client.set_app_data((kept, also_kept))
    assert not shake(client)
    assert not has_good_cookie(server, b"".join(outgoing(client)))
    pass_on(server, client)
    assert not shake(client)
    assert has_good_cookie(server, b"".join(outgoing(client)))
    assert not shake(server)
    pass_on(server, client)
    assert not shake(client)
    pass_on(client, server)
    assert shake(server)
    pass_on(server, client)
    assert shake(client)
    return client, server


def pass_on(sender: SSL.Connection, receiver: SSL.Connection) -> None:
    for datagram in outgoing(sender):
        take_in(receiver, datagram)


def test_messages_arrive_one_by_one_and_nothing_more(sides: tuple[SSL.Connection, SSL.Connection]) -> None:
    client, server = sides
    assert list(incoming(server)) == []
    encrypt(client, b"one")
    encrypt(client, b"two")
    pass_on(client, server)
    assert list(incoming(server)) == [b"one", b"two"]
    assert list(incoming(server)) == []


def test_the_goodbye_of_a_peer_comes_after_its_messages(sides: tuple[SSL.Connection, SSL.Connection]) -> None:
    client, server = sides
    encrypt(client, b"last")
    client.shutdown()
    pass_on(client, server)
    messages = incoming(server)
    assert next(messages) == b"last"
    with pytest.raises(SSL.ZeroReturnError):
        next(messages)


def test_nothing_is_sent_after_a_goodbye(sides: tuple[SSL.Connection, SSL.Connection]) -> None:
    client, _server = sides
    client.shutdown()
    with pytest.raises(SSL.Error):
        encrypt(client, b"more")


def test_what_was_sent_is_not_sent_again(sides: tuple[SSL.Connection, SSL.Connection]) -> None:
    client, _server = sides
    encrypt(client, b"one")
    assert len(list(outgoing(client))) == 1
    assert list(outgoing(client)) == []


def test_a_handshake_that_cannot_go_on_raises() -> None:
    context, _kept = key_client_context(lambda _: None)
    client = new_connection(context)
    client.set_connect_state()
    shake(client)
    list(outgoing(client))
    take_in(client, b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02" + b"\x02\x28")  # a fatal alert: handshake_failure
    with pytest.raises(SSL.Error):
        shake(client)


def test_a_hello_that_is_not_as_it_must_be_leaves_no_error_for_others() -> None:
    context, _kept = a_server_context()
    broken = bytearray(hello(COOKIE))
    broken[18] = 2  # the first messages of a handshake have the numbers 0 and 1
    assert not has_good_cookie(new_connection(context), bytes(broken))
    assert lib.ERR_peek_error() == 0
