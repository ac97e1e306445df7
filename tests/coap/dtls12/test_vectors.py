"""Vectors with a length in front."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls12.errors import MessageError
from lwm2m_ml.coap.dtls12.vectors import Reader, numbers, vector, vectors


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(1, 3))
def test_what_is_written_is_read(contents: list[bytes], length_bytes: int) -> None:
    joined = b"".join(vector(content, length_bytes) for content in contents)
    assert list(vectors(joined, length_bytes)) == contents


@given(st.binary(max_size=60), st.integers(1, 3))
def test_reading_never_goes_past_the_end(data: bytes, length_bytes: int) -> None:
    reader = Reader(data)
    try:
        content = reader.vector(length_bytes)
    except MessageError:
        return
    assert len(content) + length_bytes + reader.rest == len(data)


def test_what_is_left_over_is_an_error() -> None:
    with pytest.raises(MessageError, match="longer"):
        Reader(b"\x00").end()


def test_a_vector_below_its_least_length_is_an_error() -> None:
    with pytest.raises(MessageError, match="shorter"):
        Reader(b"\x00").vector(1, least=1)


def test_a_list_of_numbers_ends_with_a_whole_one() -> None:
    assert numbers(b"\x00\x01\x00\x02", 2) == [1, 2]
    with pytest.raises(MessageError):
        numbers(b"\x00\x01\x00", 2)
