"""The payload formats of LwM2M, one module each; here they are chosen by content format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lwm2m_ml.lwm2m.codecs import (
    cbor,
    link,
    lwm2m_cbor,
    lwm2m_json,
    opaque,
    senml_cbor,
    senml_json,
    text,
    tlv,
)
from lwm2m_ml.lwm2m.codecs.codec_error import MAX_PAYLOAD_BYTES, CodecError
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record

__all__ = ["CodecError", "UnsupportedContentFormat", "decode", "encode"]


class UnsupportedContentFormat(CodecError):
    """A payload's format is none of LwM2M's."""


class _Codec(Protocol):
    def decode(self, payload: bytes, base: ObjectPath, catalogue: Catalogue) -> tuple[Record, ...]: ...

    def encode(self, records: Sequence[Record], base: ObjectPath, catalogue: Catalogue) -> bytes: ...


class _PrefixCodec(Protocol):
    def decode(
        self, payload: bytes, base: ObjectPath, catalogue: Catalogue, prefix: str = ""
    ) -> tuple[Record, ...]: ...

    def encode(self, records: Sequence[Record], base: ObjectPath, catalogue: Catalogue, prefix: str = "") -> bytes: ...


_CODECS: dict[ContentFormat, _Codec] = {
    ContentFormat.TEXT: text,
    ContentFormat.LINK: link,
    ContentFormat.OPAQUE: opaque,
    ContentFormat.CBOR: cbor,
    ContentFormat.SENML_JSON: senml_json,
    ContentFormat.SENML_CBOR: senml_cbor,
    ContentFormat.SENML_ETCH_JSON: senml_json,
    ContentFormat.SENML_ETCH_CBOR: senml_cbor,
    ContentFormat.TLV: tlv,
    ContentFormat.LWM2M_JSON: lwm2m_json,
    ContentFormat.LWM2M_CBOR: lwm2m_cbor,
}
# The formats in which clients name whole paths, behind a gateway with the prefix of the device.
_WITH_PREFIXES: dict[ContentFormat | None, _PrefixCodec] = {
    ContentFormat.SENML_JSON: senml_json,
    ContentFormat.SENML_CBOR: senml_cbor,
    ContentFormat.SENML_ETCH_JSON: senml_json,
    ContentFormat.SENML_ETCH_CBOR: senml_cbor,
}
_BY_NUMBER = {number: _CODECS[found] for number in range(1 << 16) if (found := ContentFormat.of(number)) is not None}


def decode(
    payload: bytes, content_format: int, base: ObjectPath, catalogue: Catalogue, *, prefix: str = ""
) -> tuple[Record, ...]:
    """Return what a payload says about `base` and below.

    `base` is the path of the request it answers or belongs to, the root for composite operations and Send. Types come
    from the catalogue; values of unknown resources stay as they came, in TLV as bytes. Raises `CodecError` for whatever
    is not a well-formed payload of that format, of values of the right types, within bounds.

    `prefix` is that of a device behind a gateway (object 25): names may begin with it, records never do.
    """
    codec = _BY_NUMBER.get(content_format)
    if codec is None:
        raise _unsupported(content_format)
    if len(payload) > MAX_PAYLOAD_BYTES and codec is not opaque:
        raise CodecError(f"A payload has {len(payload)} bytes", hint=f"At most {MAX_PAYLOAD_BYTES} are read")
    if prefix and (known := ContentFormat.of(content_format)) in _WITH_PREFIXES:
        return _WITH_PREFIXES[known].decode(payload, base, catalogue, prefix)
    return codec.decode(payload, base, catalogue)


def encode(
    records: Sequence[Record], content_format: int, base: ObjectPath, catalogue: Catalogue, *, prefix: str = ""
) -> bytes:
    """Return the payload that says what the records say, for a request to `base`.

    `prefix` is that of a device behind a gateway; formats without whole names have no place for it.
    """
    codec = _BY_NUMBER.get(content_format)
    if codec is None:
        raise _unsupported(content_format)
    if prefix and (known := ContentFormat.of(content_format)) in _WITH_PREFIXES:
        return _WITH_PREFIXES[known].encode(records, base, catalogue, prefix)
    return codec.encode(records, base, catalogue)


def _unsupported(content_format: int) -> UnsupportedContentFormat:
    known = ", ".join(f"{member.value} {member.name}" for member in ContentFormat)
    return UnsupportedContentFormat(f"{content_format} is not a content format of LwM2M", hint=f"Use one of {known}")
