"""Hellos and their extensions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls12 import extensions as ext
from lwm2m_ml.coap.dtls12.errors import MessageError
from lwm2m_ml.coap.dtls12.hellos import (
    ClientHello,
    ServerHello,
    encode_verify_request,
    parse_verify_request,
    split_cookie,
)
from lwm2m_ml.coap.dtls12.numbers import Alert, CertificateType, Extension

RANDOM = bytes(range(32))
EXTENSIONS = st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=20), max_size=8)


@given(
    st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=20),
    EXTENSIONS,
    st.binary(max_size=32),
    st.binary(max_size=32),
)
def test_a_client_hello_is_read_as_it_was_written(
    suites: list[int], extensions: dict[int, bytes], cookie: bytes, session_id: bytes
) -> None:
    hello = ClientHello.parse(ClientHello(RANDOM, tuple(suites), extensions, cookie, session_id).encode())
    assert (hello.random, hello.suites, hello.extensions) == (RANDOM, tuple(suites), extensions)
    assert (hello.cookie, hello.session_id) == (cookie, session_id)


@given(st.integers(0, 0xFFFF), EXTENSIONS)
def test_a_server_hello_is_read_as_it_was_written(suite: int, extensions: dict[int, bytes]) -> None:
    assert ServerHello.parse(ServerHello(RANDOM, suite, extensions).encode()) == ServerHello(RANDOM, suite, extensions)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_hello_or_an_error(body: bytes) -> None:
    for parse in (ClientHello.parse, ServerHello.parse, parse_verify_request):
        try:
            parse(body)
        except MessageError:
            continue


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_all_but_the_cookie_is_the_same_in_both_hellos(one: bytes, other: bytes) -> None:
    first, second = (split_cookie(ClientHello(RANDOM, (0xC0A8,), {}, cookie).encode()) for cookie in (one, other))
    assert (first[0], second[0]) == (one, other)
    assert first[1] == second[1]


def test_a_cookie_request_is_read_as_it_was_written() -> None:
    assert parse_verify_request(encode_verify_request(b"cookie")) == b"cookie"
    assert encode_verify_request(b"")[:2] == b"\xfe\xff", "RFC 6347 §4.2.1: the version of DTLS 1.0"


def test_a_client_of_dtls_1_0_only_is_told_so() -> None:
    body = ClientHello(RANDOM, (0xC0A8,)).encode()
    with pytest.raises(MessageError) as caught:
        ClientHello.parse(b"\xfe\xff" + body[2:])
    assert caught.value.alert is Alert.PROTOCOL_VERSION


def test_a_client_of_dtls_1_3_that_also_speaks_1_2_is_welcome() -> None:
    body = ClientHello(RANDOM, (0xC0A8,)).encode()
    assert ClientHello.parse(b"\xfe\xfc" + body[2:]).suites == (0xC0A8,)


def test_without_null_compression_there_is_no_session() -> None:
    body = ClientHello(RANDOM, (0xC0A8,)).encode()
    with pytest.raises(MessageError):
        ClientHello.parse(body[:-1] + b"\x01")


def test_an_extension_that_comes_twice_is_an_error() -> None:
    twice = b"\x00\x08\x00\x17\x00\x00\x00\x17\x00\x00"
    with pytest.raises(MessageError, match="twice"):
        ClientHello.parse(ClientHello(RANDOM, (0xC0A8,)).encode() + twice)


def test_secure_renegotiation_is_signalled_in_two_ways_or_not() -> None:
    assert ClientHello(RANDOM, (0xC0A8, 0x00FF)).signals_renegotiation
    assert ClientHello(RANDOM, (0xC0A8,), {Extension.RENEGOTIATION_INFO: b"\x00"}).signals_renegotiation
    assert not ClientHello(RANDOM, (0xC0A8,)).signals_renegotiation


def test_a_server_name_is_found() -> None:
    offered: dict[int, bytes] = {Extension.SERVER_NAME: ext.encode_server_name("Fleet.example")}
    assert ext.server_name(offered) == "fleet.example"
    assert ext.server_name({}) == ""


def test_what_is_not_said_is_taken_at_the_usual() -> None:
    assert ext.offers_group({})
    assert ext.accepts_signatures({})
    assert ext.offered_types({}, Extension.SERVER_CERTIFICATE_TYPE) == (CertificateType.X509,)
    assert ext.connection_id({}) is None


def test_other_curves_and_signatures_do_not_count() -> None:
    assert not ext.offers_group({Extension.SUPPORTED_GROUPS: bytes.fromhex("0002001d")})
    assert not ext.accepts_signatures({Extension.SIGNATURE_ALGORITHMS: bytes.fromhex("00020401")})


def test_an_empty_connection_id_is_not_the_same_as_none() -> None:
    assert ext.connection_id({Extension.CONNECTION_ID: b"\x00"}) == b""
    with pytest.raises(MessageError):
        ext.connection_id({Extension.CONNECTION_ID: b"\x02a"})
