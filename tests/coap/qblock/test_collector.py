"""Blocks in any order, with losses and repetitions."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.errors import BlockTransferError
from lwm2m_ml.coap.options import Block
from lwm2m_ml.coap.qblock.collector import Collector, TooLarge
from lwm2m_ml.coap.qblock.missing import decode_missing, encode_missing


def blocks_of(body: bytes) -> list[tuple[Block, bytes]]:
    starts = range(0, len(body), 16)
    return [(Block(n, start + 16 < len(body), 0), body[start : start + 16]) for n, start in enumerate(starts)]


@given(st.binary(min_size=1, max_size=400), st.randoms(), st.booleans())
def test_blocks_in_any_order_become_the_body(body: bytes, random, announced: bool) -> None:  # type: ignore[no-untyped-def]
    collector = Collector(1000, 10)
    if announced:
        collector.announce(len(body), 0)
    blocks = blocks_of(body)
    order = [*blocks, *random.sample(blocks, len(blocks) // 2)]
    random.shuffle(order)
    for block, payload in order:
        collector.add(block, payload)
    assert collector.is_complete
    assert collector.body() == body
    assert collector.received_bytes == len(body)


@given(st.sets(st.integers(0, 24)), st.booleans())
def test_exactly_what_is_missing_is_missing(lost: set[int], announced: bool) -> None:
    body = bytes(25 * 16)
    collector = Collector(1000, 10)
    if announced:
        collector.announce(len(body), 0)
    for block, payload in blocks_of(body):
        if block.number not in lost:
            collector.add(block, payload)
    expected = sorted(lost)[:10]
    if announced or 24 not in lost:
        assert collector.missing() == expected
    else:
        assert collector.missing()[0] == expected[0]
        assert all(number in lost or number > 24 for number in collector.missing())
    assert collector.is_complete == (not lost)


def test_sets_end() -> None:
    collector = Collector(10_000, 10)
    for number in range(9):
        collector.add(Block(number, True, 0), bytes(16))
        assert not collector.is_at_end_of_set
    collector.add(Block(9, True, 0), bytes(16))
    assert collector.is_at_end_of_set
    assert collector.missing() == list(range(10, 20))
    collector.add(Block(11, True, 0), bytes(16))
    assert not collector.has_gap_before_this_set
    collector.add(Block(20, True, 0), bytes(16))
    assert collector.has_gap_before_this_set
    assert collector.missing() == [10, *range(12, 20), 21]
    assert collector.missing_before_this_set() == [10, *range(12, 20)]


@pytest.mark.parametrize(
    ("block", "length"),
    [
        pytest.param(Block(1, True, 1), 32, id="another size"),
        pytest.param(Block(1, True, 0), 15, id="too short"),
        pytest.param(Block(4, True, 0), 16, id="after the end"),
        pytest.param(Block(2, False, 0), 3, id="a second end"),
        pytest.param(Block(3, True, 0), 16, id="an end that is none"),
    ],
)
def test_what_cannot_belong_together_is_refused(block: Block, length: int) -> None:
    collector = Collector(1000, 10)
    collector.add(Block(0, True, 0), bytes(16))
    collector.add(Block(3, False, 0), bytes(3))
    with pytest.raises(BlockTransferError):
        collector.add(block, bytes(length))


def test_a_body_beyond_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge):
        Collector(100, 10).announce(101, 0)
    with pytest.raises(TooLarge):
        Collector(100, 10).add(Block(6, True, 0), bytes(16))


@given(st.lists(st.integers(0, (1 << 20) - 1), max_size=20))
def test_missing_blocks_are_listed(numbers: list[int]) -> None:
    assert decode_missing(encode_missing(numbers), 20) == numbers
    assert decode_missing(encode_missing(numbers), 5) == numbers[:5]


@given(st.binary(max_size=30))
def test_any_list_is_read_or_refused(payload: bytes) -> None:
    with contextlib.suppress(BlockTransferError):
        assert all(0 <= number < 1 << 20 for number in decode_missing(payload, 10))
