"""Cookies that nobody has to remember."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls12.cookies import COOKIE_BYTES, KEY_LIFETIME, HelloCookies

HERE = ("192.0.2.1", 5684)


def test_a_cookie_is_good_for_its_address_and_words_only() -> None:
    cookies = HelloCookies(0.0)
    cookie = cookies.make(HERE, b"hello", 0.0)
    assert len(cookie) == COOKIE_BYTES
    assert cookies.is_good(cookie, HERE, b"hello", 0.0)
    assert not cookies.is_good(cookie, ("192.0.2.1", 5685), b"hello", 0.0)
    assert not cookies.is_good(cookie, ("192.0.2.2", 5684), b"hello", 0.0)
    assert not cookies.is_good(cookie, HERE, b"hullo", 0.0)
    assert not cookies.is_good(cookie[:-1], HERE, b"hello", 0.0)
    assert not HelloCookies(0.0).is_good(cookie, HERE, b"hello", 0.0)


def test_a_cookie_outlives_one_change_of_keys_and_no_second_one() -> None:
    cookies = HelloCookies(0.0)
    cookie = cookies.make(HERE, b"hello", 0.0)
    assert cookies.is_good(cookie, HERE, b"hello", KEY_LIFETIME)
    assert not cookies.is_good(cookie, HERE, b"hello", 2 * KEY_LIFETIME)


def test_after_a_long_silence_no_old_cookie_is_good() -> None:
    cookies = HelloCookies(0.0)
    cookie = cookies.make(HERE, b"hello", 0.0)
    assert not cookies.is_good(cookie, HERE, b"hello", 10 * KEY_LIFETIME)


@given(st.binary(max_size=40))
def test_no_other_bytes_are_a_cookie(cookie: bytes) -> None:
    assert not HelloCookies(0.0).is_good(cookie, HERE, b"hello", 0.0)
