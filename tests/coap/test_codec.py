"""The codec against RFC 7252 §3 and against aiocoap's own codec."""

import contextlib

import aiocoap
import pytest
from aiocoap.message import Direction
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.codec import RawMessage, encode, parse
from lwm2m_ml.coap.errors import MalformedMessage

options = st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=300)), max_size=12).map(
    lambda pairs: sorted(pairs, key=lambda pair: pair[0])
)
codes = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 0x41, 0x44, 0x45, 0x84, 0xA0])
messages = st.builds(
    RawMessage, st.integers(0, 3), codes, st.integers(0, 65535), st.binary(max_size=8), options, st.binary(max_size=64)
)


@given(messages)
def test_what_was_encoded_is_parsed_back(message: RawMessage) -> None:
    assert parse(encode(message)) == message


@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_malformed(datagram: bytes) -> None:
    try:
        message = parse(datagram)
    except MalformedMessage:
        return
    assert parse(encode(message)) == message


@given(st.binary(max_size=40))
def test_any_options_after_a_good_header_are_a_message_or_malformed(rest: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        assert parse(b"\x41\x01\x00\x01T" + rest).token == b"T"


def test_aiocoap_reads_what_we_encode() -> None:
    raw = RawMessage(0, 1, 77, b"token", [(11, b"rd"), (11, b"a" * 200), (15, b"ep=x"), (60, b"\x10")], b"payload")
    message = aiocoap.Message.decode(encode(raw))
    assert message.opt.uri_path == ("rd", "a" * 200)
    assert message.opt.uri_query == ("ep=x",)
    assert (message.payload, message.mid, message.token) == (b"payload", 77, b"token")


def test_we_read_what_aiocoap_encodes() -> None:
    message = aiocoap.Message(code=aiocoap.POST, payload=b"x", uri_path=["dp"], content_format=112)
    message.mtype, message.mid, message.token = aiocoap.CON, 5, b"\x01"
    message.direction = Direction.OUTGOING
    assert parse(message.encode()) == RawMessage(0, 2, 5, b"\x01", [(11, b"dp"), (12, b"p")], b"x")


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(b"\x40\x01\x00", id="shorter than the header"),
        pytest.param(b"\x80\x01\x00\x00", id="version 2"),
        *[
            pytest.param(bytes((0x40 | length, 1, 0, 0)) + bytes(15), id=f"token length {length}")
            for length in range(9, 16)
        ],
        pytest.param(b"\x44\x01\x00\x00abc", id="token cut off"),
        pytest.param(b"\x40\x01\x00\x00\xff", id="payload marker without payload"),
        pytest.param(b"\x40\x01\x00\x00\xb4rd", id="option cut off"),
        pytest.param(b"\x40\x01\x00\x00\xf0", id="option delta 15"),
        pytest.param(b"\x40\x01\x00\x00\x0f", id="option length 15"),
        pytest.param(b"\x40\x01\x00\x00\xd0", id="extended delta cut off"),
        pytest.param(b"\x40\x01\x00\x00\xe0\xff", id="long extended delta cut off"),
        pytest.param(b"\x40\x01\x00\x00\xe0\xff\xff", id="option number beyond 65535"),
        pytest.param(b"\x40\x01\x00\x00" + b"\x00" * 65, id="65 options"),
        pytest.param(b"\x40\x01\x00\x00" + b"\x00" * 65 + b"\xffx", id="65 options and a payload"),
        pytest.param(b"\x41\x00\x00\x00T", id="empty message with a token"),
        pytest.param(b"\x40\x00\x00\x00\xffx", id="empty message with a payload"),
        pytest.param(b"\x40\x20\x00\x00", id="reserved class 1"),
        pytest.param(b"\x40\xc0\x00\x00", id="reserved class 6"),
        pytest.param(b"\x40\xe1\x00\x00", id="signalling over UDP"),
    ],
)
def test_what_rfc_7252_forbids_is_malformed(datagram: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(datagram)


def test_sixty_four_options_and_number_65535_are_accepted() -> None:
    assert len(parse(b"\x40\x01\x00\x00" + b"\x00" * 64).options) == 64
    assert parse(b"\x40\x01\x00\x00\xe0\xfe\xf2").options == [(65535, b"")]
