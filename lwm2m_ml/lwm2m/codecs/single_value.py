"""What the formats without paths have in common: one value, addressed by the request (text, opaque, CBOR, link)."""

from __future__ import annotations

from collections.abc import Sequence

from lwm2m_ml.lwm2m.codecs.codec_error import CodecError
from lwm2m_ml.lwm2m.codecs.typed import resource_type, typed
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value


def addressed_type(base: ObjectPath, catalogue: Catalogue) -> ResourceType:
    """Return the type of the resource a path-less payload belongs to."""
    if base.level < 3:
        raise CodecError(
            f"A single value does not fit {base}", hint="Use SenML, TLV or LwM2M CBOR for objects and object instances"
        )
    return resource_type(base, catalogue)


def single_value(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> tuple[Value, ResourceType]:
    """Return the one value to write, in the type of its resource."""
    kind = addressed_type(base, catalogue)
    if len(records) != 1 or records[0].path != base:
        raise CodecError(
            f"{len(records)} values for {base} do not fit a format for one value",
            hint="Give exactly one value with the path of the request, or use SenML or TLV",
        )
    value = records[0].value
    if value is None:
        raise CodecError(f"{base} has no value to write", hint="Give a value")
    return typed(value, kind, base), kind
