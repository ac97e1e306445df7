"""Values as the bytes of TLV entries (Core TS V1_2 §7.4.4, Appendix C)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from lwm2m_ml.lwm2m.codecs.codec_error import CodecError
from lwm2m_ml.lwm2m.codecs.typed import MAX_INTEGER
from lwm2m_ml.lwm2m.definitions import ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import ObjectLink, Value

_INTEGER_SIZES = frozenset({1, 2, 4, 8})


def value_from_bytes(content: bytes, kind: ResourceType, path: ObjectPath) -> Value:
    """Read a value of that type; without a known type the bytes themselves are the value."""
    read = _READERS.get(kind)
    value = content if read is None else read(content)
    if value is None:
        raise CodecError(
            f"{path} holds {len(content)} bytes ({content[:8].hex()}) that are no {kind.value}",
            hint="Check the device's object version and the definition in use",
        )
    return value


def _read_integer(content: bytes) -> int | None:
    return int.from_bytes(content, "big", signed=True) if len(content) in _INTEGER_SIZES else None


def _read_unsigned(content: bytes) -> int | None:
    return int.from_bytes(content, "big") if len(content) in _INTEGER_SIZES else None


def _read_float(content: bytes) -> float | None:
    form = {4: ">f", 8: ">d"}.get(len(content))
    if form is None:
        return None
    value: float = struct.unpack(form, content)[0]
    return value


def _read_boolean(content: bytes) -> bool | None:
    return {b"\x00": False, b"\x01": True}.get(content)


def _read_text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _read_object_link(content: bytes) -> ObjectLink | None:
    return ObjectLink(*struct.unpack(">HH", content)) if len(content) == 4 else None


_READERS: dict[ResourceType, Callable[[bytes], Value | None]] = {
    ResourceType.STRING: _read_text,
    ResourceType.CORE_LINK: _read_text,
    ResourceType.INTEGER: _read_integer,
    ResourceType.UNSIGNED_INTEGER: _read_unsigned,
    ResourceType.FLOAT: _read_float,
    ResourceType.BOOLEAN: _read_boolean,
    ResourceType.TIME: _read_integer,
    ResourceType.OBJECT_LINK: _read_object_link,
}


def value_to_bytes(value: Value, kind: ResourceType, path: ObjectPath) -> bytes:
    """Write a value; integers and floats as short as they stay exact."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, ObjectLink):
        return struct.pack(">HH", value.object_id, value.instance_id)
    if isinstance(value, bool):
        return b"\x01" if value else b"\x00"
    if isinstance(value, float):
        if kind is not ResourceType.TIME:
            return _float_bytes(value)
        if not value.is_integer():
            raise CodecError(f"{path} has a fraction of a second, which TLV cannot carry", hint="Use SenML")
        value = int(value)
    return _integer_bytes(value, signed=kind is not ResourceType.UNSIGNED_INTEGER)


def _integer_bytes(value: int, *, signed: bool) -> bytes:
    signed = signed and value <= MAX_INTEGER
    bits = (value if value >= 0 else ~value).bit_length() + signed
    size = 1 << (max(1, (bits + 7) // 8) - 1).bit_length()
    return value.to_bytes(size, "big", signed=signed)


def _float_bytes(value: float) -> bytes:
    try:
        short = struct.pack(">f", value)
    except OverflowError:
        return struct.pack(">d", value)
    exact: bool = struct.unpack(">f", short)[0] == value
    return short if exact or math.isnan(value) else struct.pack(">d", value)
