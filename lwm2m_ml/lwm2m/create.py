"""Payloads of Create (Core TS V1_2 §6.3.6): only TLV can leave the number of the new instance to the client."""

from __future__ import annotations

from lwm2m_ml.lwm2m.codecs.tlv import OBJECT_INSTANCE
from lwm2m_ml.lwm2m.content_formats import ContentFormat


def names_instance(payload: bytes, content_format: int | None) -> bool:
    """Tell whether the payload of a Create says which number the new instance gets."""
    if not payload:
        return False
    # In TLV the resources may come bare, without the entry of an object instance around them.
    is_tlv = content_format is not None and ContentFormat.of(content_format) is ContentFormat.TLV
    return not is_tlv or payload[0] >> 6 == OBJECT_INSTANCE
