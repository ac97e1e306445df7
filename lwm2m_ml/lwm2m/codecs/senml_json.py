"""SenML JSON (content format 110) and SenML-ETCH JSON (320) (Core TS V1_2 §7.4.5, RFC 8428 §5, RFC 8790)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from lwm2m_ml.lwm2m.codecs.bounded_json import dump_json, load_json
from lwm2m_ml.lwm2m.codecs.codec_error import CodecError
from lwm2m_ml.lwm2m.codecs.senml import Notation, PackReader, build_pack
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record


def _read_data(item: object) -> bytes:
    """Read base64 in the URL-safe alphabet without padding; the other alphabet and padding are tolerated."""
    if not isinstance(item, str):
        raise CodecError("SenML data is not base64 text", hint="Encode it with the URL-safe alphabet of RFC 4648 §5")
    text = item.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error) as error:
        raise CodecError("SenML data is not base64 text", hint="Use the URL-safe alphabet of RFC 4648 §5") from error


def _write_data(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def _write_float(value: float) -> float:
    return value


_NOTATION = Notation(
    base_version="bver",
    base_name="bn",
    base_time="bt",
    base_value="bv",
    name="n",
    time="t",
    number="v",
    text="vs",
    boolean="vb",
    data="vd",
    object_link="vlo",
    read_data=_read_data,
    write_data=_write_data,
    write_float=_write_float,
)
_READER = PackReader(_NOTATION)


def decode(payload: bytes, base: ObjectPath, catalogue: Catalogue, prefix: str = "") -> tuple[Record, ...]:
    """Read a pack; names may begin with the prefix of a device behind a gateway."""
    return _READER.records(load_json(payload), base, catalogue, prefix)


def encode(records: Sequence[Record], base: ObjectPath, catalogue: Catalogue, prefix: str = "") -> bytes:
    """Write a pack; names begin with the prefix of a device behind a gateway."""
    return dump_json(build_pack(records, _NOTATION, base, catalogue, prefix))
