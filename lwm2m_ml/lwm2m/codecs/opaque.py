"""Opaque (content format 42): one value as its bare bytes (Core TS V1_2 §7.4.2)."""

from __future__ import annotations

from collections.abc import Sequence

from lwm2m_ml.lwm2m.codecs.codec_error import CodecError
from lwm2m_ml.lwm2m.codecs.single_value import addressed_type, single_value
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record

_FITTING = frozenset({ResourceType.OPAQUE, ResourceType.NONE})


def decode(payload: bytes, base: ObjectPath, catalogue: Catalogue) -> tuple[Record, ...]:
    """Take the payload as the value."""
    if addressed_type(base, catalogue) not in _FITTING:
        raise CodecError(
            f"{base} came as bare bytes", hint="Only opaque resources have that form; ask for text or SenML"
        )
    return (Record(base, payload),)


def encode(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> bytes:
    """Return the value, which must be bytes."""
    value, _ = single_value(records, base, catalogue)
    if not isinstance(value, bytes):
        raise CodecError(f"{base} is not opaque", hint="Use text, SenML or TLV")
    return value
