"""LwM2M JSON of version 1.0 (content format 11543, formerly 1543) (OMA-TS-LightweightM2M-V1_0_2 §6.4.4)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

from lwm2m_ml.lwm2m.codecs.bounded_json import dump_json, load_json
from lwm2m_ml.lwm2m.codecs.codec_error import MAX_RECORDS, CodecError
from lwm2m_ml.lwm2m.codecs.text import value_from_text
from lwm2m_ml.lwm2m.codecs.typed import resource_type, typed
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath, PathError
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value, ValueFormatError

_HINT = "Send LwM2M JSON: an object with the array e, optionally bn and bt"
_MAX_TIME = 2.0**53


def decode(payload: bytes, base: ObjectPath, catalogue: Catalogue) -> tuple[Record, ...]:
    """Read a document. Names build on the base name, or on the requested path where there is none."""
    document = load_json(payload)
    entries = document.get("e") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(entries, list) or len(entries) > MAX_RECORDS:
        raise CodecError("A payload is not an LwM2M JSON document", hint=_HINT)
    base_name = document.get("bn", str(base) if base.level == 0 else f"{base}/")
    base_time = _number(document.get("bt", 0))
    return tuple(_record(entry, base_name, base_time, base, catalogue) for entry in entries)


def _record(entry: object, base_name: object, base_time: float, base: ObjectPath, catalogue: Catalogue) -> Record:
    if not isinstance(entry, dict):
        raise CodecError("An LwM2M JSON entry is not an object", hint=_HINT)
    name = entry.get("n", "")
    if not isinstance(base_name, str) or not isinstance(name, str):
        raise CodecError("An LwM2M JSON name is not text", hint=_HINT)
    try:
        path = ObjectPath.parse(base_name + name)
    except PathError as error:
        raise CodecError(error.message, hint=error.hint) from error
    if not base.contains(path):
        raise CodecError(f"{path} is not part of {base}", hint="A payload may hold only what its request addressed")
    labels = entry.keys() & _READERS.keys()
    if len(labels) > 1:
        raise CodecError(f"{path} has more than one value", hint=_HINT)
    value = _READERS[labels.pop()](entry, path, resource_type(path, catalogue)) if labels else None
    return Record(path, value, base_time + _number(entry.get("t", 0)) or None)


def _number(item: object) -> float:
    if isinstance(item, bool) or not isinstance(item, (int, float)) or not -_MAX_TIME < item < _MAX_TIME:
        raise CodecError("An LwM2M JSON time is not a number within bounds", hint=_HINT)
    return float(item)


def _read_number(entry: dict[str, object], path: ObjectPath, kind: ResourceType) -> Value:
    if isinstance(entry["v"], bool) or not isinstance(entry["v"], (int, float)):
        raise CodecError(f"{path} has a number that is not one", hint=_HINT)
    return typed(entry["v"], kind, path)


def _read_boolean(entry: dict[str, object], path: ObjectPath, kind: ResourceType) -> Value:
    if not isinstance(entry["bv"], bool):
        raise CodecError(f"{path} has a boolean that is not true or false", hint=_HINT)
    return typed(entry["bv"], kind, path)


def _read_text(entry: dict[str, object], path: ObjectPath, kind: ResourceType) -> Value:
    """Read a string value; opaque ones are base64 text, and some clients write links and times so too."""
    if not isinstance(entry["sv"], str):
        raise CodecError(f"{path} has a string that is not text", hint=_HINT)
    return value_from_text(entry["sv"], kind, path)


def _read_object_link(entry: dict[str, object], path: ObjectPath, kind: ResourceType) -> Value:
    if not isinstance(entry["ov"], str):
        raise CodecError(f"{path} has an object link that is not text", hint=_HINT)
    try:
        return typed(ObjectLink.parse(entry["ov"]), kind, path)
    except ValueFormatError as error:
        raise CodecError(f"{path}: {error.message}", hint=error.hint) from error


_READERS: dict[str, Callable[[dict[str, object], ObjectPath, ResourceType], Value]] = {
    "v": _read_number,
    "bv": _read_boolean,
    "sv": _read_text,
    "ov": _read_object_link,
}


def encode(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> bytes:
    """Write a document whose base name is the requested path."""
    alone = len(records) == 1 and records[0].path == base and base.level > 0
    base_name = str(base) if alone or not base.level else f"{base}/"
    base_time = min((record.timestamp for record in records if record.timestamp), default=0.0)
    if any(base_time + ((record.timestamp or 0.0) - base_time) != (record.timestamp or 0.0) for record in records):
        base_time = 0.0
    entries = [_entry(record, base, base_name, base_time, catalogue) for record in records]
    document: dict[str, object] = {"bn": base_name, "e": entries}
    if base_time:
        document["bt"] = _compact(base_time)
    return dump_json(document)


def _entry(
    record: Record, base: ObjectPath, base_name: str, base_time: float, catalogue: Catalogue
) -> dict[str, object]:
    if not base.contains(record.path) or len(str(record.path)) < len(base_name) - 1:
        raise CodecError(f"{record.path} is not part of {base}", hint="Write it in a request of its own")
    entry: dict[str, object] = {}
    name = str(record.path)[len(base_name) :]
    if name:
        entry["n"] = name
    offset = (record.timestamp or 0.0) - base_time
    if offset:
        entry["t"] = _compact(offset)
    if record.value is not None:
        label, item = _written(typed(record.value, resource_type(record.path, catalogue), record.path))
        entry[label] = item
    return entry


def _compact(number: float) -> int | float:
    return int(number) if number.is_integer() else number


def _written(value: Value) -> tuple[str, object]:
    if isinstance(value, bool):
        return "bv", value
    if isinstance(value, str):
        return "sv", value
    if isinstance(value, bytes):
        return "sv", base64.b64encode(value).decode("ascii")
    if isinstance(value, ObjectLink):
        return "ov", str(value)
    return "v", value
