"""CBOR (content format 60): one value as one CBOR item (Core TS V1_2 §7.4.3, Appendix C)."""

from __future__ import annotations

from collections.abc import Sequence

from lwm2m_ml.lwm2m.codecs.bounded_cbor import ShortestFloat, dump_cbor, load_cbor
from lwm2m_ml.lwm2m.codecs.single_value import addressed_type, single_value
from lwm2m_ml.lwm2m.codecs.typed import typed
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value


def decode(payload: bytes, base: ObjectPath, catalogue: Catalogue) -> tuple[Record, ...]:
    """Read one value."""
    kind = addressed_type(base, catalogue)
    return (Record(base, typed(load_cbor(payload), kind, base)),)


def encode(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> bytes:
    """Write one value."""
    value, _ = single_value(records, base, catalogue)
    return dump_cbor(cbor_value(value))


def cbor_value(value: Value) -> object:
    """Return what stands for a value in CBOR; an object link is its text."""
    if isinstance(value, float):
        return ShortestFloat(value)
    return str(value) if isinstance(value, ObjectLink) else value
