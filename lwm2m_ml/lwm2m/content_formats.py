"""The CoAP content formats of LwM2M payloads (OMA-TS-LightweightM2M_Core-V1_2 §7.4, IANA CoRE parameters)."""

from __future__ import annotations

import enum


class ContentFormat(enum.IntEnum):
    """A payload's format, by the number that stands in CoAP's Content-Format and Accept options."""

    TEXT = 0
    LINK = 40
    OPAQUE = 42
    CBOR = 60
    SENML_JSON = 110
    SENML_CBOR = 112
    SENML_ETCH_JSON = 320
    SENML_ETCH_CBOR = 322
    TLV = 11542
    LWM2M_JSON = 11543
    LWM2M_CBOR = 11544

    @classmethod
    def of(cls, number: int) -> ContentFormat | None:
        """Return the format with that number, also under its number from before LwM2M 1.0; None for a stranger."""
        return _BY_NUMBER.get(number)

    @property
    def single_value(self) -> bool:
        """Tell whether a payload in this format holds exactly one value and no path."""
        return self in _SINGLE_VALUE

    @property
    def timestamped(self) -> bool:
        """Tell whether the format can carry a time with each value."""
        return self in _TIMESTAMPED


LEGACY_NUMBERS = {
    1541: ContentFormat.TEXT,
    1542: ContentFormat.TLV,
    1543: ContentFormat.LWM2M_JSON,
    1544: ContentFormat.OPAQUE,
}
"""Numbers of the candidate specification that old clients still send."""

_BY_NUMBER = {int(member): member for member in ContentFormat} | LEGACY_NUMBERS
_SINGLE_VALUE = frozenset({ContentFormat.TEXT, ContentFormat.LINK, ContentFormat.OPAQUE, ContentFormat.CBOR})
_TIMESTAMPED = frozenset({ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR, ContentFormat.LWM2M_JSON})
