"""Serving a body in blocks without keeping anything: any block, to anyone, from any port (RFC 7959 §2.4)."""

import hashlib

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.options import Block, Options, encode_uint, first, without
from lwm2m_ml.coap.responses import Response

ETAG_BYTES = 4
"""Few, because every block carries them; a handler may give up to 8 of its own."""
BLOCK_LEVEL = frozenset({numbers.BLOCK2, numbers.SIZE2})
FIRST_BLOCK_ONLY = BLOCK_LEVEL | {numbers.LOCATION_PATH, numbers.LOCATION_QUERY}


def strong_etag(body: bytes) -> bytes:
    """An entity tag that differs when the body differs: blocks of two versions are never put together."""
    return hashlib.blake2b(body, digest_size=ETAG_BYTES).digest()


def needs_blocks(body_length: int, requested: Block | None, size_exponent: int) -> bool:
    """Whether a body of this length is answered in blocks."""
    if requested is None:
        return body_length > 1 << (size_exponent + 4)
    return requested.number > 0 or body_length > requested.resized(size_exponent).size


def serve_block(code: int, options: Options, body: bytes, requested: Block | None, size_exponent: int) -> Response:
    """The block that was asked for, or the first one; blocks get smaller when the peer or this side wants it."""
    block = (requested or Block(0, False, size_exponent)).resized(size_exponent)
    if block.start >= len(body):
        return Response(numbers.BAD_REQUEST, payload=b"The block is beyond the end of the body")
    end = block.start + block.size
    block = Block(block.number, end < len(body), block.size_exponent)
    kept = without(options, FIRST_BLOCK_ONLY if block.number else BLOCK_LEVEL)
    if first(kept, numbers.ETAG) is None:
        kept.append((numbers.ETAG, strong_etag(body)))
    kept.append((numbers.BLOCK2, block.encode()))
    if block.number == 0:
        kept.append((numbers.SIZE2, encode_uint(len(body))))
    return Response(code, kept, body[block.start : end])
