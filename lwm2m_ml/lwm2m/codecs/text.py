"""Plain text (content format 0): one value as UTF-8 text (Core TS V1_2 §7.4.1, Appendix C)."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence

from lwm2m_ml.lwm2m.codecs.codec_error import CodecError
from lwm2m_ml.lwm2m.codecs.single_value import addressed_type, single_value
from lwm2m_ml.lwm2m.codecs.typed import typed
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value, ValueFormatError

_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,4})?", re.ASCII)

# The specification knows 0 and 1 only; the words come from people and from a few devices.
_BOOLEANS = {"0": False, "1": True, "false": False, "true": True}


def decode(payload: bytes, base: ObjectPath, catalogue: Catalogue) -> tuple[Record, ...]:
    """Read one value."""
    kind = addressed_type(base, catalogue)
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise CodecError(f"The text for {base} is not UTF-8", hint="Ask for the value in another format") from error
    return (Record(base, value_from_text(text, kind, base)),)


def encode(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> bytes:
    """Write one value."""
    value, _ = single_value(records, base, catalogue)
    return value_to_text(value).encode()


def value_from_text(text: str, kind: ResourceType, path: ObjectPath) -> Value:
    """Read a value of that type as people and the text format write it."""
    parse = _PARSERS.get(kind)
    if parse is None:
        return text
    try:
        return typed(parse(text), kind, path)
    except (ValueError, ValueFormatError) as error:
        raise CodecError(
            f"{path} holds {text[:40]!r} instead of {kind.value}", hint="Check the object version in use"
        ) from error


def value_to_text(value: Value) -> str:
    """Write a value as the text format does."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float) and not math.isfinite(value):
        raise CodecError(f"{value} has no text form", hint="Use a binary format")
    return str(value)


def _parse_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _parse_float(text: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _parse_time(text: str) -> int | float:
    return int(text) if _INTEGER.fullmatch(text) else _parse_float(text)


def _parse_boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise ValueError(text)
    return _BOOLEANS[text]


def _parse_opaque(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error


_PARSERS: dict[ResourceType, Callable[[str], Value]] = {
    ResourceType.INTEGER: _parse_integer,
    ResourceType.UNSIGNED_INTEGER: _parse_integer,
    ResourceType.FLOAT: _parse_float,
    ResourceType.BOOLEAN: _parse_boolean,
    ResourceType.OPAQUE: _parse_opaque,
    ResourceType.TIME: _parse_time,
    ResourceType.OBJECT_LINK: ObjectLink.parse,
}
