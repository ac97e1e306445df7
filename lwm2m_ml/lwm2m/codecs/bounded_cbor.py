"""CBOR from strangers: its structure is walked before it is built, so that no payload costs more than it weighs."""

from __future__ import annotations

import functools
import math
import re
import struct
from datetime import datetime
from decimal import Decimal
from typing import Any

import cbor2

from lwm2m_ml.lwm2m.codecs.codec_error import MAX_NESTING, CodecError

# What cbor2 raises on malformed input, directly or out of the conversion of a tagged value.
_DECODE_ERRORS = (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, OSError, ArithmeticError, RecursionError)
_HINT = "Send well-formed CBOR without exotic tags (RFC 8949)"

# Tags with a meaning in LwM2M: times as text and as number (RFC 8949 §3.4.1, §3.4.2) and decimal fractions (§3.4.4).
_ALLOWED_TAGS = frozenset({0xC0, 0xC1, 0xC4})
_BREAK = 0xFF
_INDEFINITE = 31
_RESERVED_DETAILS = frozenset({28, 29, 30})
_STRING_MAJORS = frozenset({2, 3})
_LENGTH_MAJORS = frozenset({2, 3, 4, 5})
_MAP_MAJOR = 5
_UNTIL_BREAK = -1


def _fixed_size(initial: int) -> int:
    """Return the whole size of an item that its first byte determines, 0 for all others."""
    major, detail = initial >> 5, initial & 0x1F
    if major in {0, 1}:
        return {24: 2, 25: 3, 26: 5, 27: 9}.get(detail, 1 if detail < 24 else 0)
    if major in {2, 3}:
        return 1 + detail if detail < 24 else 0
    if major == 7:
        return {24: 2, 25: 3, 26: 5, 27: 9}.get(detail, 1 if detail < 24 else 0)
    return 0


_FIXED_SIZE = tuple(_fixed_size(initial) for initial in range(256))


def load_cbor(payload: bytes) -> object:
    """Return the one item the payload holds, built of Python's own types.

    Tagged times come as Unix seconds and decimal fractions as floats.
    """
    try:
        tagged = not _is_flat_pack(payload) and _check_structure(payload)
    except IndexError as error:
        raise CodecError("A CBOR payload ends too early", hint=_HINT) from error
    try:
        item: object = cbor2.loads(payload)
        return _without_tags(item) if tagged else item
    except _DECODE_ERRORS as error:
        raise CodecError(f"A CBOR payload is malformed ({str(error)[:80]})", hint=_HINT) from error


def _short_strings(longest: int) -> bytes:
    """A pattern of byte and text strings whose length stands in their first byte."""
    return b"|".join(rb"[\x%02x\x%02x].{%d}" % (0x40 + length, 0x60 + length, length) for length in range(longest + 1))


# What most packs are: an array of maps of numbers, simple values and short strings. Each first byte has one
# alternative, so that matching takes one pass over the payload.
_FLAT_ITEM = (
    rb"(?:[\x00-\x17\x20-\x37\xf4-\xf7]|[\x18\x38].|[\x19\x39\xf9]..|[\x1a\x3a\xfa].{4}|[\x1b\x3b\xfb].{8}|"
    + _short_strings(23)
    + rb")"
)
_FLAT_MAP = b"(?:" + b"|".join(rb"\x%02x%b{%d}" % (0xA0 + pairs, _FLAT_ITEM, 2 * pairs) for pairs in range(1, 6)) + b")"
_LARGEST_FLAT_PACK = 16


@functools.cache
def _flat_pack(first: int) -> re.Pattern[bytes] | None:
    """The pattern of flat packs that begin with this byte."""
    count = first - 0x80
    return re.compile(rb".%b{%d}" % (_FLAT_MAP, count), re.DOTALL) if 0 < count <= _LARGEST_FLAT_PACK else None


def _is_flat_pack(payload: bytes) -> bool:
    """Tell whether a payload is a pack of the usual shape, without looking at each of its items in Python."""
    pattern = _flat_pack(payload[0]) if payload else None
    return pattern is not None and pattern.fullmatch(payload) is not None


def _check_structure(payload: bytes) -> bool:
    """Walk all heads; return whether there are tags. An index beyond the end means a truncated payload."""
    position = 0
    remaining = 1
    outer: list[int] = []
    tagged = False
    fixed_size = _FIXED_SIZE
    while True:
        initial = payload[position]
        size = fixed_size[initial]
        if size:
            position += size
            remaining -= 1
        elif initial in _ALLOWED_TAGS:
            position += 1
            tagged = True
        elif initial == _BREAK and remaining < 0:
            position += 1
            remaining = 0
        else:
            children, position = _read_head(payload, position)
            remaining -= 1
            if children:
                outer.append(remaining)
                remaining = children
                if len(outer) > MAX_NESTING:
                    raise CodecError(f"A CBOR payload is nested deeper than {MAX_NESTING} levels", hint=_HINT)
        while remaining == 0:
            if not outer:
                if position != len(payload):
                    raise CodecError("A CBOR payload goes on after its end, or ends too early", hint=_HINT)
                return tagged
            remaining = outer.pop()


def _read_head(payload: bytes, position: int) -> tuple[int, int]:
    """Return how many items the one at `position` contains (negative: until a break), and where the next one stands."""
    initial = payload[position]
    major, detail = initial >> 5, initial & 0x1F
    if major not in _LENGTH_MAJORS or detail in _RESERVED_DETAILS:
        raise CodecError(f"A CBOR payload has an item of the kind {initial:#04x}, which LwM2M does not use", hint=_HINT)
    if detail == _INDEFINITE:
        return _UNTIL_BREAK, position + 1
    length = detail
    position += 1
    if detail >= 24:
        size = 1 << (detail - 24)
        length = int.from_bytes(payload[position : position + size], "big")
        position += size
    if length > len(payload) - position:
        raise CodecError("A CBOR payload announces more than it holds", hint=_HINT)
    if major in _STRING_MAJORS:
        return 0, position + length
    return (2 * length if major == _MAP_MAJOR else length), position


def _without_tags(item: Any) -> object:
    if isinstance(item, datetime):
        return item.timestamp()
    if isinstance(item, Decimal):
        return float(item)
    if isinstance(item, list):
        return [_without_tags(element) for element in item]
    if isinstance(item, dict):
        return {key: _without_tags(element) for key, element in item.items()}
    return item


class ShortestFloat:
    """A float to be written in four bytes where that keeps its value, else in eight.

    Half precision, although shorter, is left out: readers on devices often lack it.
    """

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value


def dump_cbor(item: object) -> bytes:
    """Write an item; maps keep the order of their keys, which some devices rely on."""
    encoded: bytes = cbor2.dumps(item, default=_write_float)
    return encoded


def _write_float(encoder: Any, item: object) -> None:
    if not isinstance(item, ShortestFloat):
        raise CodecError(f"{type(item).__name__} has no CBOR form", hint="Give one of LwM2M's types")
    encoder.write(_float_bytes(item.value))


def _float_bytes(value: float) -> bytes:
    try:
        short = struct.pack(">Bf", 0xFA, value)
    except OverflowError:
        return struct.pack(">Bd", 0xFB, value)
    exact: bool = struct.unpack(">f", short[1:])[0] == value
    return short if exact or math.isnan(value) else struct.pack(">Bd", 0xFB, value)
