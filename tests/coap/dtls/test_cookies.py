"""Cookies without sockets: OpenSSL's own HelloVerifyRequest is what ours is compared with."""

import pytest

from lwm2m_ml.coap.dtls.connections import has_good_cookie, new_connection, outgoing
from lwm2m_ml.coap.dtls.cookies import COOKIE_BYTES, Cookies, asks_for_cookie
from lwm2m_ml.coap.dtls.openssl import server_context
from tests.coap.dtls.hellos import hello

ADDRESS = ("127.0.0.1", 40_000)
SESSION_ID = b"s" * 32


@pytest.mark.parametrize("session_id", [b"", SESSION_ID])
def test_a_hello_without_a_cookie_asks_for_one(session_id: bytes) -> None:
    assert asks_for_cookie(hello(session_id=session_id))
    assert not asks_for_cookie(hello(b"c" * COOKIE_BYTES, session_id))


def test_what_is_cut_off_before_its_cookie_asks_for_none() -> None:
    whole = hello(session_id=SESSION_ID)
    cookie_at = whole.index(SESSION_ID) + len(SESSION_ID)
    assert not any(asks_for_cookie(whole[:end]) for end in range(cookie_at + 1))
    assert asks_for_cookie(whole[: cookie_at + 1])


def test_a_later_fragment_asks_for_none() -> None:
    assert not asks_for_cookie(hello(offset=1))


@pytest.mark.parametrize("number", [0, 7, (1 << 48) - 1])
def test_the_request_is_the_one_that_openssl_would_send(number: int) -> None:
    cookies = Cookies()
    cookies.attend(ADDRESS)
    context, _callback = server_context(None, {}, lambda *_: None, cookies.make, cookies.is_good)
    listener = new_connection(context)
    assert not has_good_cookie(listener, hello(number=number))
    assert list(outgoing(listener)) == [cookies.request(hello(number=number))]


def test_the_cookie_in_the_request_is_good_at_this_address_alone() -> None:
    cookies = Cookies()
    cookies.attend(ADDRESS)
    cookie = cookies.request(hello())[-COOKIE_BYTES:]
    assert cookies.is_good(cookie)
    cookies.attend(("127.0.0.1", 40_001))
    assert not cookies.is_good(cookie)


def test_a_request_is_shorter_than_the_shortest_hello_that_asks() -> None:
    cookies = Cookies()
    cookies.attend(ADDRESS)
    whole = hello()
    shortest = next(end for end in range(len(whole)) if asks_for_cookie(whole[:end]))
    assert len(cookies.request(whole)) < shortest
