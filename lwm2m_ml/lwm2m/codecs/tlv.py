"""TLV (content format 11542, formerly 1542) (Core TS V1_2 §7.4.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lwm2m_ml.lwm2m.codecs.codec_error import MAX_RECORDS, CodecError
from lwm2m_ml.lwm2m.codecs.tlv_values import value_from_bytes, value_to_bytes
from lwm2m_ml.lwm2m.codecs.tree import Tree, build_tree, once_each
from lwm2m_ml.lwm2m.codecs.typed import resource_type
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import MAX_ID, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value

# Bits 7 and 6 of an entry's first byte.
OBJECT_INSTANCE = 0
RESOURCE_INSTANCE = 1
MULTIPLE_RESOURCE = 2
RESOURCE = 3

_HINT = "Check that the payload is TLV and complete"


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    number: int
    content: bytes


def decode(payload: bytes, base: ObjectPath, catalogue: Catalogue) -> tuple[Record, ...]:
    """Read the entries for a request to `base`.

    Around the content of the addressed instance or resource the entry of that instance or resource may stand or be
    missing: clients differ.
    """
    if not base.level:
        raise CodecError("TLV cannot address the root", hint="Use SenML or LwM2M CBOR")
    records: list[Record] = []
    for entry in _entries(payload):
        records.extend(_records(entry, base, base, catalogue))
        if len(records) > MAX_RECORDS:
            raise CodecError(f"A TLV payload has more than {MAX_RECORDS} values", hint="Read smaller parts")
    return once_each(records)


def _entries(content: bytes) -> Iterator[_Entry]:
    position, end = 0, len(content)
    while position < end:
        first = content[position]
        wide, length_size = (first >> 5) & 1, (first >> 3) & 3
        header = 2 + wide + length_size
        if position + header > end:
            raise CodecError("A TLV payload ends within a header", hint=_HINT)
        length_at = position + 2 + wide
        number = int.from_bytes(content[position + 1 : length_at], "big")
        length = int.from_bytes(content[length_at : position + header], "big") if length_size else first & 7
        position += header
        if position + length > end:
            raise CodecError("A TLV payload ends within a value", hint=_HINT)
        if number == MAX_ID:
            raise CodecError(f"A TLV entry has the reserved number {MAX_ID}", hint=_HINT)
        yield _Entry(first >> 6, number, content[position : position + length])
        position += length


# The level of the path that an entry of each kind names.
_LEVEL = {OBJECT_INSTANCE: 2, MULTIPLE_RESOURCE: 3, RESOURCE: 3, RESOURCE_INSTANCE: 4}


def _records(entry: _Entry, above: ObjectPath, base: ObjectPath, catalogue: Catalogue) -> Iterator[Record]:
    path = _entry_path(entry, above, catalogue)
    if not base.contains(path) and not path.contains(base):
        raise CodecError(f"{path} is not part of {base}", hint="A payload may hold only what its request addressed")
    if entry.kind in {RESOURCE, RESOURCE_INSTANCE}:
        if not base.contains(path):
            raise CodecError(f"{path} is not part of {base}", hint=_HINT)
        yield Record(path, value_from_bytes(entry.content, resource_type(path, catalogue), path))
        return
    children = 0
    for child in _entries(entry.content):
        if _LEVEL[child.kind] <= path.level or (entry.kind == MULTIPLE_RESOURCE) != (child.kind == RESOURCE_INSTANCE):
            raise CodecError(f"{path} contains a TLV entry of the wrong kind", hint=_HINT)
        yield from _records(child, path, base, catalogue)
        children += 1
    if not children:
        yield Record(path, None)


def _entry_path(entry: _Entry, above: ObjectPath, catalogue: Catalogue) -> ObjectPath:
    level = _LEVEL[entry.kind]
    if level <= above.level:
        # The entry repeats what the request addressed.
        parent = above.ancestor(level - 1)
    elif level == above.level + 1:
        parent = above
    elif level == 3 and above.level == 1 and _is_single(above, catalogue):
        parent = above.child(0)
    else:
        raise CodecError(f"The TLV payload for {above} skips a level", hint=_HINT)
    return parent.child(entry.number)


def _is_single(path: ObjectPath, catalogue: Catalogue) -> bool:
    definition = catalogue.get(path.object_id) if path.object_id is not None else None
    return definition is not None and not definition.multiple


def encode(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> bytes:
    """Write the entries for a request to `base`: what lies below it, or its own entry for a resource and below."""
    if not base.level:
        raise CodecError("TLV cannot address the root", hint="Use SenML or LwM2M CBOR")
    start = min(base.level, 2) if base.level < 4 else 3
    node: Tree = build_tree(records, base, catalogue)
    for number in base.segments[:start]:
        child = node.get(number, {})
        node = child if isinstance(child, dict) else {}
    return _encode_children(node, base.ancestor(start), catalogue)


def _encode_children(node: Tree, path: ObjectPath, catalogue: Catalogue) -> bytes:
    return b"".join(_encode(child, path.child(number), catalogue) for number, child in node.items())


_KIND = {2: OBJECT_INSTANCE, 3: RESOURCE, 4: RESOURCE_INSTANCE}


def _encode(node: Tree | Value, path: ObjectPath, catalogue: Catalogue) -> bytes:
    kind = _KIND[path.level]
    if not isinstance(node, dict):
        return _entry(kind, path, value_to_bytes(node, resource_type(path, catalogue), path))
    if kind == RESOURCE:
        kind = MULTIPLE_RESOURCE
    elif kind == RESOURCE_INSTANCE:
        raise CodecError(f"{path} has no value to write", hint="Give a value")
    return _entry(kind, path, _encode_children(node, path, catalogue))


def _entry(kind: int, path: ObjectPath, content: bytes) -> bytes:
    number, length = path.segments[-1], len(content)
    if length >= 1 << 24:
        raise CodecError(f"{path} has {length} bytes, too many for TLV", hint="Write it as opaque")
    wide = number > 0xFF
    length_size = 0 if length < 8 else (length.bit_length() + 7) // 8
    first = kind << 6 | wide << 5 | length_size << 3 | (length if length < 8 else 0)
    header = struct.pack(">BH" if wide else ">BB", first, number)
    return header + (length.to_bytes(length_size, "big") if length_size else b"") + content
