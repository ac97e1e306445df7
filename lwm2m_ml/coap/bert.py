"""Several blocks in one message over reliable transports (BERT, RFC 8323 §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.blocks import BLOCK_LEVEL, FIRST_BLOCK_ONLY, strong_etag
from lwm2m_ml.coap.options import BERT, Block, Options, encode_uint, first, without
from lwm2m_ml.coap.responses import Response

if TYPE_CHECKING:
    from lwm2m_ml.coap.tcp.signalling import Capabilities

UNIT = 1024
HEAD = 128
"""Room for what is not payload."""
SMALLEST_MESSAGE = 1152
"""A peer must take more than this for BERT to make sense (RFC 8323 §6)."""


def bert_bytes(capabilities: Capabilities, most: int) -> int:
    """How much payload a message to a peer may carry; 0 when it does not do BERT."""
    size = min(capabilities.max_message_size, most)
    if not capabilities.block_wise or size <= SMALLEST_MESSAGE:
        return 0
    return (size - HEAD) // UNIT * UNIT


def serve_blocks(code: int, options: Options, body: bytes, requested: Block | None, most: int) -> Response:
    """As many blocks as fit, from the one that was asked for on."""
    start = 0 if requested is None else requested.start
    if start and start >= len(body):
        return Response(numbers.BAD_REQUEST, payload=b"The block is beyond the end of the body")
    end = start + most
    block = Block(start // UNIT, end < len(body), BERT)
    kept = without(options, FIRST_BLOCK_ONLY if start else BLOCK_LEVEL)
    if first(kept, numbers.ETAG) is None:
        kept.append((numbers.ETAG, strong_etag(body)))
    kept.append((numbers.BLOCK2, block.encode()))
    if not start:
        kept.append((numbers.SIZE2, encode_uint(len(body))))
    return Response(code, kept, body[start:end])
