"""Serving blocks of a body without state."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.blocks import needs_blocks, serve_block
from lwm2m_ml.coap.options import Block, decode_block, first


@given(st.binary(min_size=1, max_size=3000), st.integers(0, 6), st.integers(0, 6))
def test_all_blocks_together_are_the_body(body: bytes, wanted: int, ours: int) -> None:
    collected = b""
    etags = set()
    more = True
    exponent = min(wanted, ours)
    while more:
        number = len(collected) >> (exponent + 4)
        part = serve_block(0x45, [], body, Block(number, False, exponent), ours)
        value = first(part.options, numbers.BLOCK2)
        assert value is not None
        block = decode_block(numbers.BLOCK2, value)
        assert block.start == len(collected)
        assert len(part.payload) == block.size or not block.more
        etags.add(first(part.options, numbers.ETAG))
        collected += part.payload
        more = block.more
    assert collected == body
    assert len(etags) == 1


def test_a_block_beyond_the_end_is_a_bad_request() -> None:
    assert serve_block(0x45, [], b"x" * 32, Block(2, False, 0), 6).code == numbers.BAD_REQUEST


def test_a_given_entity_tag_is_kept() -> None:
    part = serve_block(0x45, [(numbers.ETAG, b"mine")], b"x" * 64, Block(0, False, 0), 6)
    assert [value for number, value in part.options if number == numbers.ETAG] == [b"mine"]


def test_the_first_block_tells_the_size_and_the_location() -> None:
    options = [(numbers.LOCATION_PATH, b"rd")]
    first_part = serve_block(0x41, options, b"x" * 64, None, 0)
    second_part = serve_block(0x41, options, b"x" * 64, Block(1, False, 0), 0)
    assert first(first_part.options, numbers.SIZE2) == b"\x40"
    assert first(first_part.options, numbers.LOCATION_PATH) == b"rd"
    assert first(second_part.options, numbers.LOCATION_PATH) is None


def test_a_body_that_fits_is_not_cut() -> None:
    assert not needs_blocks(1024, None, 6)
    assert needs_blocks(1025, None, 6)
    assert not needs_blocks(16, Block(0, False, 0), 6)
    assert needs_blocks(17, Block(0, False, 0), 6)
    assert needs_blocks(10, Block(1, False, 6), 6)
