"""Option values and which options are usable (RFC 7252 §5.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.errors import UnusableOption
from lwm2m_ml.coap.options import Block, decode_block, decode_uint, encode_uint, usable


@given(st.integers(0, 2**32))
def test_unsigned_integers_have_no_leading_zero(value: int) -> None:
    encoded = encode_uint(value)
    assert decode_uint(encoded) == value
    assert not encoded.startswith(b"\x00")


@given(st.integers(0, 2**20 - 1), st.booleans(), st.integers(0, 6))
def test_blocks_are_decoded_as_encoded(number: int, more: bool, exponent: int) -> None:
    block = Block(number, more, exponent)
    assert decode_block(numbers.BLOCK2, block.encode()) == block


@given(st.integers(0, 1000), st.integers(0, 6), st.integers(0, 6))
def test_a_resized_block_starts_at_the_same_byte(number: int, exponent: int, smaller: int) -> None:
    block = Block(number, False, exponent)
    assert block.resized(smaller).start == block.start
    assert block.resized(smaller).size_exponent <= exponent


def test_size_exponent_7_is_refused() -> None:
    with pytest.raises(UnusableOption):
        decode_block(numbers.BLOCK1, b"\x07")


def test_unknown_elective_options_are_ignored() -> None:
    assert usable([(11, b"rd"), (2048, b"x"), (65534, b"")]) == [(11, b"rd")]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([(9999, b"")], id="unknown"),
        pytest.param([(17, b"a"), (17, b"b")], id="Accept twice"),
        pytest.param([(11, b"a" * 256)], id="path segment of 256 bytes"),
        pytest.param([(5, b"x")], id="If-None-Match with a value"),
        pytest.param([(27, b"abcd")], id="Block1 of four bytes"),
    ],
)
def test_critical_options_that_cannot_be_used_are_refused(options: list[tuple[int, bytes]]) -> None:
    with pytest.raises(UnusableOption):
        usable(options)


def test_repeated_elective_options_count_once() -> None:
    assert usable([(12, b"a"), (12, b"b")]) == [(12, b"a")]
