"""CBOR (content format 60): one value as one CBOR item (Core TS V1_2 §7.4.3, Appendix C)."""

from __future__ import annotations

from collections.abc import Sequence

from lwm2m_ml.lwm2m.codecs.bounded_cbor import ShortestFloat, dump_cbor, load_cbor
from lwm2m_ml.lwm2m.codecs.single_value import addressed_type, single_value
from lwm2m_ml.lwm2m.codecs.typed import typed
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value

_EPOCH_TAG = b"\xc1"


def decode(payload: bytes, base: ObjectPath, catalogue: Catalogue) -> tuple[Record, ...]:
    """Read one value; a time with or without its tag."""
    kind = addressed_type(base, catalogue)
    item = payload.removeprefix(_EPOCH_TAG) if kind is ResourceType.TIME else payload
    return (Record(base, typed(load_cbor(item), kind, base)),)


def encode(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> bytes:
    """Write one value; a time with the tag that V1_1_1 asks for and V1_2 allows (Appendix C.2, RFC 8949 §3.4.2)."""
    value, kind = single_value(records, base, catalogue)
    item = dump_cbor(cbor_value(value))
    return _EPOCH_TAG + item if kind is ResourceType.TIME else item


def cbor_value(value: Value) -> object:
    """Return what stands for a value in CBOR; an object link is its text."""
    if isinstance(value, float):
        return ShortestFloat(value)
    return str(value) if isinstance(value, ObjectLink) else value
