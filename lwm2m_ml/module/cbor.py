"""Deterministic CBOR (RFC 8949 §4.2.1), and nothing else: one value has one encoding, everything else is refused.

`decode` walks the bytes before cbor2 sees them. It bounds nesting, wants shortest lengths and refuses what the module
format does not use: indefinite lengths, unknown tags, map keys other than integers and text. Bytes that would decode
but not encode back to themselves (keys out of order or twice, a number in a longer form) are refused too.
"""

from typing import Any

import cbor2

from lwm2m_ml.module.errors import MalformedCborError

MAXIMUM_DEPTH = 8
_ALLOWED_TAGS = frozenset({18, 96, 107})  # COSE_Sign1 and COSE_Encrypt (RFC 9052), SUIT envelope
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE, _TRUE, _NULL, _HALF, _SINGLE, _DOUBLE = 20, 21, 22, 25, 26, 27


def encode(value: object) -> bytes:
    """Encode deterministically.

    cbor2 orders map keys by length first, RFC 8949 by bytes; both agree on the keys of this format, which never mix
    an unsigned key above 23 with a negative one.
    """
    return bytes(cbor2.dumps(value, canonical=True))


def decode(data: bytes) -> Any:
    """Decode exactly one value that fills `data`; raises MalformedCborError."""
    if _walk(data, 0, MAXIMUM_DEPTH) != len(data):
        raise MalformedCborError("Bytes follow the end of a CBOR value")
    try:
        value = cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError) as error:  # e.g. text that is not UTF-8
        raise MalformedCborError(f"A CBOR value cannot be decoded: {error}") from error
    if encode(value) != data:
        raise MalformedCborError("A CBOR value is not in its deterministic encoding")
    return value


def head(data: bytes, position: int) -> tuple[int, int, int]:
    """Return (major type, argument, position after the head) of the item at `position`; raises MalformedCborError."""
    if position >= len(data):
        raise MalformedCborError("A CBOR value is cut off")
    major, information = data[position] >> 5, data[position] & 31
    position += 1
    if information < 24:
        return major, information, position
    if information > 27:
        raise MalformedCborError("A CBOR value has an indefinite length or a reserved form")
    length = 1 << (information - 24)
    if position + length > len(data):
        raise MalformedCborError("A CBOR value is cut off")
    argument = int.from_bytes(data[position : position + length], "big")
    shortest = argument >= (24 if length == 1 else 1 << (4 * length))
    if not shortest and major != _SIMPLE:
        raise MalformedCborError("A CBOR length or number is not in its shortest form")
    return major, argument, position + length


def _walk(data: bytes, position: int, depth: int) -> int:
    """Return the position after the item at `position`."""
    if depth == 0:
        raise MalformedCborError("A CBOR value is nested too deeply")
    information = data[position] & 31 if position < len(data) else 0
    major, argument, position = head(data, position)
    if major in (_BYTES, _TEXT):
        if argument > len(data) - position:
            raise MalformedCborError("A CBOR string is cut off")
        return position + argument
    if major == _ARRAY:
        return _walk_items(data, position, argument, depth)
    if major == _MAP:
        return _walk_map(data, position, argument, depth)
    if major == _TAG:
        if argument not in _ALLOWED_TAGS:
            raise MalformedCborError(f"CBOR tag {argument} does not belong here")
        return _walk(data, position, depth - 1)
    if major == _SIMPLE and information not in (_FALSE, _TRUE, _NULL, _HALF, _SINGLE, _DOUBLE):
        raise MalformedCborError("A CBOR simple value does not belong here")
    return position


def _walk_items(data: bytes, position: int, count: int, depth: int) -> int:
    if count > len(data) - position:
        raise MalformedCborError("A CBOR array is cut off")
    for _ in range(count):
        position = _walk(data, position, depth - 1)
    return position


def _walk_map(data: bytes, position: int, count: int, depth: int) -> int:
    if 2 * count > len(data) - position:
        raise MalformedCborError("A CBOR map is cut off")
    for _ in range(count):
        if head(data, position)[0] not in (_UNSIGNED, _NEGATIVE, _TEXT):
            raise MalformedCborError("A CBOR map has a key that is neither a number nor text")
        position = _walk(data, position, depth - 1)
        position = _walk(data, position, depth - 1)
    return position
