"""Link format (content format 40) as the form of a CoRE link value (Core TS V1_2 §7.4, RFC 6690)."""

from __future__ import annotations

from collections.abc import Sequence

from lwm2m_ml.lwm2m.codecs.codec_error import CodecError
from lwm2m_ml.lwm2m.codecs.single_value import addressed_type, single_value
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.link_format import LinkFormatError, parse_links
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record

_FITTING = frozenset({ResourceType.CORE_LINK, ResourceType.STRING, ResourceType.NONE})


def decode(payload: bytes, base: ObjectPath, catalogue: Catalogue) -> tuple[Record, ...]:
    """Check that the payload is a list of links and keep its text."""
    if addressed_type(base, catalogue) not in _FITTING:
        raise CodecError(f"{base} came as a list of links", hint="Only CoRE link resources have that form")
    return (Record(base, _checked(payload, base).decode()),)


def encode(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> bytes:
    """Write the text of a list of links."""
    value, _ = single_value(records, base, catalogue)
    if not isinstance(value, str):
        raise CodecError(f"{base} is not a CoRE link", hint="Use text, SenML or TLV")
    return _checked(value.encode(), base)


def _checked(payload: bytes, base: ObjectPath) -> bytes:
    try:
        parse_links(payload)
    except LinkFormatError as error:
        raise CodecError(f"{base}: {error.message}", hint=error.hint) from error
    return payload
