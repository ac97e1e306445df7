"""SenML CBOR (content format 112) and SenML-ETCH CBOR (322) (Core TS V1_2 §7.4.6, RFC 8428 §6, RFC 8790)."""

from __future__ import annotations

from collections.abc import Sequence

from lwm2m_ml.lwm2m.codecs.bounded_cbor import ShortestFloat, dump_cbor, load_cbor
from lwm2m_ml.lwm2m.codecs.codec_error import CodecError
from lwm2m_ml.lwm2m.codecs.senml import Notation, PackReader, build_pack
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record


def _read_data(item: object) -> bytes:
    if type(item) is not bytes:
        raise CodecError("SenML data is not a byte string", hint="Use CBOR's major type 2")
    return item


def _write_data(value: bytes) -> bytes:
    return value


_NOTATION = Notation(
    base_version=-1,
    base_name=-2,
    base_time=-3,
    base_value=-5,
    name=0,
    time=6,
    number=2,
    text=3,
    boolean=4,
    data=8,
    object_link="vlo",
    read_data=_read_data,
    write_data=_write_data,
    write_float=ShortestFloat,
)
_READER = PackReader(_NOTATION)


def decode(payload: bytes, base: ObjectPath, catalogue: Catalogue, prefix: str = "") -> tuple[Record, ...]:
    """Read a pack; names may begin with the prefix of a device behind a gateway."""
    return _READER.records(load_cbor(payload), base, catalogue, prefix)


def encode(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue, prefix: str = "") -> bytes:
    """Write a pack; names begin with the prefix of a device behind a gateway."""
    return dump_cbor(build_pack(records, _NOTATION, base, catalogue, prefix))
