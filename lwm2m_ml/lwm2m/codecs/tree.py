"""Records as nested maps by number, for the formats that nest: TLV and LwM2M CBOR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from lwm2m_ml.lwm2m.codecs.codec_error import CodecError
from lwm2m_ml.lwm2m.codecs.typed import resource_type, typed
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value

Tree: TypeAlias = "dict[int, Tree | Value]"
"""Children by number, down to the values. An empty map is an instance or a multiple resource that holds nothing."""


def build_tree(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> Tree:
    """Return the records as a tree from the root, each value in its resource's type."""
    root: Tree = {}
    for record in records:
        if not base.contains(record.path) or not record.path.level:
            raise CodecError(f"{record.path} is not part of {base}", hint="Write it in a request of its own")
        if record.timestamp:
            raise CodecError(f"{record.path} has a time, which this format cannot carry", hint="Use SenML")
        _place(root, record, catalogue)
    return root


def _place(root: Tree, record: Record, catalogue: Catalogue) -> None:
    *above, last = record.path.segments
    branch = root
    for number in above:
        child = branch.setdefault(number, {})
        if not isinstance(child, dict):
            raise _conflict(record.path)
        branch = child
    if record.value is None:
        if not isinstance(branch.setdefault(last, {}), dict):
            raise _conflict(record.path)
    elif last in branch:
        raise _conflict(record.path)
    elif record.path.level < 3:
        raise CodecError(f"{record.path} cannot hold a value", hint="Only resources and resource instances can")
    else:
        branch[last] = typed(record.value, resource_type(record.path, catalogue), record.path)


def once_each(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records, none of which may name the same path as another: these formats have no times."""
    if len({record.path for record in records}) != len(records):
        raise CodecError("A payload names a path twice", hint="Give each path once")
    return tuple(records)


def _conflict(path: ObjectPath) -> CodecError:
    return CodecError(f"{path} occurs twice or both with a value and with parts", hint="Give each path once")
