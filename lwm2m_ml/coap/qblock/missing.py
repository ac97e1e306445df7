"""Content format 272, application/missing-blocks+cbor-seq: numbers of blocks, one after the other (RFC 9177 §5)."""

from __future__ import annotations

import io
from collections.abc import Iterable

import cbor2

from lwm2m_ml.coap.errors import BlockTransferError

MISSING_BLOCKS = 272
LARGEST_NUMBER = (1 << 20) - 1


def encode_missing(numbers: Iterable[int]) -> bytes:
    """The numbers, ascending."""
    return b"".join(cbor2.dumps(number) for number in numbers)


def decode_missing(payload: bytes, most: int) -> list[int]:
    """At most so many numbers; raises BlockTransferError."""
    stream = io.BytesIO(payload)
    decoder = cbor2.CBORDecoder(stream)
    found: list[int] = []
    try:
        while stream.tell() < len(payload) and len(found) < most:
            number = decoder.decode()
            if type(number) is not int or not 0 <= number <= LARGEST_NUMBER:
                raise BlockTransferError("The list of missing blocks holds something that is no block number")
            found.append(number)
    except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
        raise BlockTransferError("The list of missing blocks cannot be read") from error
    return found
