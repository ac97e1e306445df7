"""RFC 8323 §3.2."""

import pytest
from aiocoap import Code, Message
from aiocoap.transports.tcp import _serialize
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml.coap.errors import MalformedMessage
from lwm2m_ml.coap.tcp.framing import Frame, FrameReader, encode_frame

LIMIT = 200_000
lengths = st.sampled_from([0, 1, 12, 13, 268, 269, 300, 65804, 65805, 70000])


@settings(deadline=None)
@given(st.binary(max_size=8), lengths, st.integers(1, 4000))
def test_frames_are_cut_out_of_any_pieces(token: bytes, length: int, piece: int) -> None:
    frame = Frame(0x45, token, bytes(length))
    stream = encode_frame(*frame) * 2
    reader = FrameReader(LIMIT)
    found = [got for start in range(0, len(stream), piece) for got in reader.feed(stream[start : start + piece])]
    assert found == [frame, frame]


@given(st.binary(max_size=500))
def test_any_bytes_are_frames_or_malformed(data: bytes) -> None:
    try:
        frames = list(FrameReader(1000).feed(data))
    except MalformedMessage:
        return
    assert sum(len(encode_frame(*frame)) for frame in frames) <= len(data)


@pytest.mark.parametrize("size", [1, 11, 12, 267, 268, 65803, 65804])
def test_we_frame_as_aiocoap_does(size: int) -> None:
    message = Message(code=Code.CONTENT, payload=bytes(size))
    message.token = b"tok"
    assert encode_frame(0x45, b"tok", b"\xff" + bytes(size)) == _serialize(message)


def test_a_frame_beyond_the_limit_is_refused_before_it_is_received() -> None:
    with pytest.raises(MalformedMessage):
        list(FrameReader(1000).feed(b"\xf0\x7f\xff\xff\xff"))


@pytest.mark.parametrize("head", [b"\x09\x01", b"\x00\xc0", b"\x00\x20"])
def test_reserved_token_lengths_and_codes_are_refused(head: bytes) -> None:
    with pytest.raises(MalformedMessage):
        list(FrameReader(1000).feed(head + bytes(20)))
