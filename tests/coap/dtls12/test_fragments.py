"""Handshake messages in pieces."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls12.errors import MessageError
from lwm2m_ml.coap.dtls12.fragments import MOST_AHEAD, MOST_PIECES, Fragment, Message, Reassembly, cut, parse_fragments
from lwm2m_ml.coap.dtls12.handshake import MOST_HANDSHAKE_BYTES


def pieces(message: Message, room: int) -> list[Fragment]:
    return [one for piece in cut(message.encode(), room) for one in parse_fragments(piece)]


@given(
    st.lists(st.binary(max_size=200), min_size=1, max_size=MOST_AHEAD),
    st.integers(20, 120),
    st.randoms(use_true_random=False),
)
def test_messages_come_out_whole_and_in_order(bodies: list[bytes], room: int, chance: random.Random) -> None:
    messages = [Message(11, number, body) for number, body in enumerate(bodies)]
    arriving = [piece for message in messages for piece in pieces(message, room)]
    arriving += chance.sample(arriving, len(arriving) // 2)
    chance.shuffle(arriving)
    reassembly = Reassembly(0, MOST_HANDSHAKE_BYTES)
    out = []
    for piece in arriving:
        reassembly.feed(piece)
        while (message := reassembly.take()) is not None:
            out.append(message)
    assert out == messages


@given(st.binary(min_size=1, max_size=60), st.lists(st.tuples(st.integers(0, 59), st.integers(1, 60)), max_size=20))
def test_pieces_that_overlap_give_the_message(body: bytes, cuts: list[tuple[int, int]]) -> None:
    reassembly = Reassembly(0, MOST_HANDSHAKE_BYTES)
    for start, size in [*cuts, (0, 30), (30, 30)]:
        content = body[start : start + size]
        if content:
            reassembly.feed(Fragment(11, len(body), 0, start, content))
    message = reassembly.take()
    assert message is not None
    assert message.body == body


def test_a_message_in_one_piece_has_the_form_that_is_hashed() -> None:
    message = Message(1, 3, b"body")
    assert list(cut(message.encode(), 1200)) == [message.encode()]
    assert message.encode() == bytes.fromhex("01 000004 0003 000000 000004") + b"body"


def test_a_whole_message_in_its_turn_needs_no_memory() -> None:
    reassembly = Reassembly(4, 100)
    assert reassembly.whole(Fragment(16, 3, 5, 0, b"abc")) is None, "not in its turn"
    assert reassembly.whole(Fragment(16, 6, 4, 0, b"abc")) is None, "not whole"
    assert reassembly.whole(Fragment(16, 101, 4, 0, bytes(101))) is None, "too large"
    assert reassembly.whole(Fragment(16, 3, 4, 0, b"abc")) == Message(16, 4, b"abc")
    assert reassembly.next == 5


def test_an_empty_message_is_a_message() -> None:
    reassembly = Reassembly(4, MOST_HANDSHAKE_BYTES)
    (piece,) = pieces(Message(14, 4, b""), 100)
    reassembly.feed(piece)
    assert reassembly.take() == Message(14, 4, b"")
    assert reassembly.next == 5


@pytest.mark.parametrize(
    "content",
    [
        b"\x01\x00\x00\x05\x00\x00",  # no whole header
        bytes.fromhex("01 000005 0000 000000 000005 0102"),  # fewer bytes than it says
        bytes.fromhex("01 000002 0000 000001 000002 0102"),  # goes beyond its message
        bytes.fromhex("01 000002 0000 000000 000000"),  # nothing of something
    ],
)
def test_a_fragment_that_does_not_fit_is_an_error(content: bytes) -> None:
    with pytest.raises(MessageError):
        list(parse_fragments(content))


def test_fragments_that_contradict_each_other_are_an_error() -> None:
    reassembly = Reassembly(0, MOST_HANDSHAKE_BYTES)
    reassembly.feed(Fragment(11, 10, 0, 0, b"a"))
    with pytest.raises(MessageError, match="contradict"):
        reassembly.feed(Fragment(11, 11, 0, 1, b"b"))


def test_a_message_beyond_the_limit_is_an_error_before_it_costs_anything() -> None:
    reassembly = Reassembly(0, 100)
    with pytest.raises(MessageError, match="too large"):
        reassembly.feed(Fragment(11, 0xFFFFFF, 0, 0, b"a"))
    assert reassembly._partial == {}


def test_a_flood_of_fragments_keeps_few_bytes_and_few_pieces() -> None:
    reassembly = Reassembly(0, 1000)
    for number in range(20_000):
        reassembly.feed(Fragment(11, 999, number % 50, number % 998, b"x"))
    assert len(reassembly._partial) <= MOST_AHEAD
    assert all(len(partial.pieces) <= MOST_PIECES for partial in reassembly._partial.values())
    assert reassembly._size() <= 1000
