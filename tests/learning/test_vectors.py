"""Vectors survive as bytes, up to their precision; what is not finite or has another length is refused."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lwm2m_ml.learning.errors import InvalidVector
from lwm2m_ml.learning.terms import VectorEncoding
from lwm2m_ml.learning.vectors import BLOCK, Floats, clipped, decode_vector, encode_vector, encoded_bytes, norm

VECTORS = arrays(numpy.float32, st.integers(1, 200), elements=st.floats(-1000, 1000, width=32))


@given(VECTORS, st.sampled_from(VectorEncoding))
def test_vectors_survive_the_round_trip_to_their_precision(values: Floats, encoding: VectorEncoding) -> None:
    content = encode_vector(values, encoding)
    assert len(content) == encoded_bytes(len(values), encoding)
    found = decode_vector(content, len(values), encoding)
    for start in range(0, len(values), BLOCK):
        block, back = values[start : start + BLOCK], found[start : start + BLOCK]
        step = {
            VectorEncoding.FLOAT32: numpy.zeros_like(block),
            VectorEncoding.FLOAT16: numpy.abs(block) * 2**-11 + 2**-24,
            VectorEncoding.INT8: numpy.full_like(block, numpy.abs(block).max() / 127 * 0.501 + 1e-38),
        }[encoding]
        assert (numpy.abs(block - back) <= step).all()


@given(st.binary(max_size=300), st.integers(1, 80), st.sampled_from(VectorEncoding))
def test_any_bytes_are_read_or_refused(content: bytes, count: int, encoding: VectorEncoding) -> None:
    try:
        values = decode_vector(content, count, encoding)
    except InvalidVector:
        return
    assert len(values) == count
    assert numpy.isfinite(values).all()


@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf, -numpy.inf])
@pytest.mark.parametrize("encoding", list(VectorEncoding))
def test_numbers_that_are_not_finite_are_refused_when_written_and_when_read(
    bad: float, encoding: VectorEncoding
) -> None:
    values = numpy.asarray([1.0, bad, 2.0], numpy.float32)
    with pytest.raises(InvalidVector, match="not finite"):
        encode_vector(values, encoding)
    content = values.astype({VectorEncoding.FLOAT16: "<f2"}.get(encoding, "<f4")).tobytes()
    if encoding is VectorEncoding.INT8:
        content = numpy.asarray([bad], "<f4").tobytes() + bytes(3)
    with pytest.raises(InvalidVector, match="not finite"):
        decode_vector(content, 3, encoding)


@given(VECTORS, st.floats(0.01, 100))
def test_clipping_shortens_to_the_limit_and_keeps_the_direction(values: Floats, limit: float) -> None:
    short = clipped(values, limit)
    assert norm(short) <= limit * (1 + 1e-5)
    if norm(values) <= limit:
        assert (short == values).all()
    else:
        assert norm(short) == pytest.approx(limit, rel=1e-4)
        assert numpy.allclose(short * (norm(values) / limit), values, rtol=1e-3, atol=1e-3)
