"""LwM2M CBOR (content format 11544): nested maps by number, from the root (Core TS V1_2 §7.4.7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lwm2m_ml.lwm2m.codecs.bounded_cbor import dump_cbor, load_cbor
from lwm2m_ml.lwm2m.codecs.cbor import cbor_value
from lwm2m_ml.lwm2m.codecs.codec_error import MAX_RECORDS, CodecError
from lwm2m_ml.lwm2m.codecs.tree import Tree, build_tree, once_each
from lwm2m_ml.lwm2m.codecs.typed import resource_type, typed
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath, PathError
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value

_HINT = "Send a map of numbers (or arrays of numbers) to values or maps"


def decode(payload: bytes, base: ObjectPath, catalogue: Catalogue) -> tuple[Record, ...]:
    """Read a map. A key is a number or an array of numbers for several levels at once."""
    item = load_cbor(payload)
    if not isinstance(item, dict):
        raise CodecError("An LwM2M CBOR payload is not a map", hint=_HINT)
    records = []
    for path, value in _leaves(item, ()):
        if not base.contains(path):
            raise CodecError(f"{path} is not part of {base}", hint="A payload may hold only what its request addressed")
        records.append(Record(path, None if value is None else typed(value, resource_type(path, catalogue), path)))
        if len(records) > MAX_RECORDS:
            raise CodecError(f"An LwM2M CBOR payload has more than {MAX_RECORDS} values", hint="Read smaller parts")
    return once_each(records)


def _leaves(branch: dict[object, object], above: tuple[int, ...]) -> Iterator[tuple[ObjectPath, object]]:
    for key, item in branch.items():
        segments = above + _numbers(key)
        if isinstance(item, dict) and item:
            yield from _leaves(item, segments)
            continue
        try:
            path = ObjectPath.of(*segments)
        except PathError as error:
            raise CodecError(error.message, hint=error.hint) from error
        if not isinstance(item, dict) and path.level < 3 and item is not None:
            raise CodecError(f"{path} holds a value", hint="Only resources and resource instances can")
        yield path, None if isinstance(item, dict) else item


def _numbers(key: object) -> tuple[int, ...]:
    numbers = key if isinstance(key, tuple) else (key,)
    if not numbers or not all(type(number) is int for number in numbers):
        raise CodecError("An LwM2M CBOR key is neither a number nor an array of numbers", hint=_HINT)
    return numbers


def encode(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> bytes:
    """Write the records as nested maps. Arrays as keys would save little, and not every reader knows them."""
    return dump_cbor(_written(build_tree(records, base, catalogue)))


def _written(node: Tree | Value) -> object:
    if isinstance(node, dict):
        return {number: _written(child) for number, child in node.items()}
    return cbor_value(node)
