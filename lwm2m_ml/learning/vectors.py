"""Parameters as bytes: float32, float16, or bytes in blocks with a scale each. Little-endian, without a head."""

import numpy
from numpy.typing import NDArray

from lwm2m_ml.learning.errors import InvalidVector
from lwm2m_ml.learning.terms import VectorEncoding

Floats = NDArray[numpy.float32]
BLOCK = 64
_LARGEST_CODE = 127


def encoded_bytes(count: int, encoding: VectorEncoding) -> int:
    """How many bytes so many numbers take."""
    if encoding is VectorEncoding.INT8:
        return count + 4 * -(-count // BLOCK)
    return count * (4 if encoding is VectorEncoding.FLOAT32 else 2)


def encode_vector(values: Floats, encoding: VectorEncoding) -> bytes:
    """Write numbers; raises InvalidVector for those that are not finite, or too large for float16."""
    _check_finite(values)
    if encoding is VectorEncoding.FLOAT32:
        plain: bytes = values.astype("<f4").tobytes()
        return plain
    if encoding is VectorEncoding.FLOAT16:
        with numpy.errstate(over="ignore"):
            half = values.astype("<f2")
        _check_finite(half.astype(numpy.float32))
        packed: bytes = half.tobytes()
        return packed
    blocks = _in_blocks(values)
    scales = (numpy.abs(blocks).max(axis=1) / numpy.float32(_LARGEST_CODE)).astype("<f4")
    divisors = numpy.where(scales > 0, scales, numpy.float32(1.0))[:, None]
    codes = numpy.clip(numpy.rint(blocks / divisors), -_LARGEST_CODE, _LARGEST_CODE).astype(numpy.int8)
    codes_alone: bytes = codes.reshape(-1)[: len(values)].tobytes()
    head: bytes = scales.tobytes()
    return head + codes_alone


def decode_vector(content: bytes, count: int, encoding: VectorEncoding) -> Floats:
    """Read so many numbers; raises InvalidVector for another length and for numbers that are not finite."""
    if len(content) != encoded_bytes(count, encoding):
        raise InvalidVector(
            f"{len(content):,} B are no vector of {count:,} numbers in {encoding.name.lower()}, which takes "
            f"{encoded_bytes(count, encoding):,} B"
        )
    if encoding is not VectorEncoding.INT8:
        kind = "<f4" if encoding is VectorEncoding.FLOAT32 else "<f2"
        values = numpy.frombuffer(content, kind).astype(numpy.float32)
        _check_finite(values)
        return values
    blocks = -(-count // BLOCK)
    scales = numpy.frombuffer(content[: 4 * blocks], "<f4").astype(numpy.float32)
    _check_finite(scales)
    codes = numpy.frombuffer(content[4 * blocks :], numpy.int8).astype(numpy.float32)
    with numpy.errstate(over="ignore"):
        spread: Floats = codes * numpy.repeat(scales, BLOCK)[:count]
    _check_finite(spread)
    return spread


def _in_blocks(values: Floats) -> Floats:
    filled = numpy.zeros(-(-len(values) // BLOCK) * BLOCK, numpy.float32)
    filled[: len(values)] = values
    return filled.reshape(-1, BLOCK)


def _check_finite(values: Floats) -> None:
    bad = numpy.flatnonzero(~numpy.isfinite(values))
    if len(bad):
        raise InvalidVector(f"Number {int(bad[0])} of the vector is {values[bad[0]]}, {len(bad)} are not finite")


def norm(values: Floats) -> float:
    """The Euclidean length, computed in float64."""
    return float(numpy.linalg.norm(values.astype(numpy.float64)))


def clipped(values: Floats, limit: float) -> Floats:
    """The vector, shortened to a length of at most `limit`."""
    length = norm(values)
    if length <= limit:
        return values
    shorter: Floats = (values.astype(numpy.float64) * (limit / length)).astype(numpy.float32)
    return shorter
