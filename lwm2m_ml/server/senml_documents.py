"""Records inside JSON documents of the store: as SenML JSON, which tells the type of each value by itself."""

from collections.abc import Sequence

from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT
from lwm2m_ml.lwm2m.record import Record

UNTYPED = Catalogue()


def to_senml(records: Sequence[Record]) -> str:
    """Write records; none give the empty text."""
    return encode(records, ContentFormat.SENML_JSON, ROOT, UNTYPED).decode() if records else ""


def from_senml(text: str) -> tuple[Record, ...]:
    """Read what `to_senml` wrote."""
    return decode(text.encode(), ContentFormat.SENML_JSON, ROOT, UNTYPED) if text else ()
