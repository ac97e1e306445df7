"""Between CoAP messages and records: which content format is meant, and what a payload says."""

from collections.abc import Collection, Sequence

from aiocoap import Code, Message

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.versions import Version
from lwm2m_ml_simulator.objects.base import OperationRefused

_FORMATS_OF_1_0 = frozenset({ContentFormat.TLV, ContentFormat.LWM2M_JSON, ContentFormat.TEXT, ContentFormat.OPAQUE})
_FORMATS_OF_1_1 = _FORMATS_OF_1_0 | {ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.CBOR}
VALUE_FORMATS = _FORMATS_OF_1_1 | {ContentFormat.LWM2M_CBOR}
COMPOSITE_FORMATS = frozenset(
    {
        ContentFormat.SENML_CBOR,
        ContentFormat.SENML_JSON,
        ContentFormat.SENML_ETCH_CBOR,
        ContentFormat.SENML_ETCH_JSON,
        ContentFormat.LWM2M_CBOR,
    }
)
_COMPOSITE_ANSWERS = {
    ContentFormat.SENML_ETCH_CBOR: ContentFormat.SENML_CBOR,
    ContentFormat.SENML_ETCH_JSON: ContentFormat.SENML_JSON,
}


def value_formats(version: str) -> frozenset[ContentFormat]:
    """Return the formats of values that a version of LwM2M knows (V1_2 §7.4, V1_1_1 §7.4, V1_0_2 §6.4)."""
    spoken = Version.parse(version)
    if spoken < Version(1, 1):
        return _FORMATS_OF_1_0
    return _FORMATS_OF_1_1 if spoken < Version(1, 2) else VALUE_FORMATS


def request_path(request: Message) -> ObjectPath:
    """Return the path of a request; raises OperationRefused 4.04 for what is no LwM2M path."""
    segments = tuple(segment for segment in request.opt.uri_path if segment)
    if any(not (segment.isascii() and segment.isdigit()) for segment in segments):
        raise OperationRefused(Code.NOT_FOUND, "no such path")
    return ObjectPath.parse("/" + "/".join(segments))


def read_payload(
    request: Message, base: ObjectPath, catalogue: Catalogue, accepted: Collection[ContentFormat]
) -> tuple[Record, ...]:
    """Decode the payload of a Write, Create or composite request; raises OperationRefused 4.15 or 4.00."""
    number = request.opt.content_format
    content_format = ContentFormat.of(int(number)) if number is not None else None
    if number is None and base.level == 3:
        content_format = ContentFormat.TEXT  # What clients of LwM2M 1.0 mean by leaving it out.
    if content_format is None or content_format not in accepted:
        raise OperationRefused(Code.UNSUPPORTED_CONTENT_FORMAT, f"content format {number} is not supported here")
    try:
        return decode(request.payload, int(content_format), base, catalogue)
    except InvalidInputError as error:
        raise OperationRefused(Code.BAD_REQUEST, error.message) from error


def answer_format(
    accept: int | None, path: ObjectPath, records: Sequence[Record], known: Collection[ContentFormat]
) -> ContentFormat:
    """Choose the format of an answer by Accept; without one the plain value of a resource, or TLV (§7.4)."""
    is_single = path.level >= 3 and len(records) == 1 and records[0].path.level == path.level
    if accept is None:
        if not is_single:
            return ContentFormat.TLV
        return ContentFormat.OPAQUE if isinstance(records[0].value, bytes) else ContentFormat.TEXT
    wanted = ContentFormat.of(accept)
    if wanted is None or wanted not in known or (wanted.single_value and not is_single):
        raise OperationRefused(Code.NOT_ACCEPTABLE, f"{path} cannot be given in content format {accept}")
    if wanted is ContentFormat.OPAQUE and not isinstance(records[0].value, bytes):
        raise OperationRefused(Code.NOT_ACCEPTABLE, f"{path} is not opaque")
    return wanted


def composite_answer_format(request: Message) -> ContentFormat:
    """Choose the format of the answer to a composite request: Accept, or the format of the request."""
    number = request.opt.accept if request.opt.accept is not None else request.opt.content_format
    wanted = ContentFormat.of(int(number)) if number is not None else None
    wanted = _COMPOSITE_ANSWERS.get(wanted, wanted) if wanted is not None else None
    if wanted not in COMPOSITE_FORMATS or wanted is None:
        raise OperationRefused(Code.NOT_ACCEPTABLE, f"a composite answer cannot be in content format {number}")
    return wanted


def content(
    records: Sequence[Record], content_format: ContentFormat, base: ObjectPath, catalogue: Catalogue
) -> Message:
    """Make a 2.05 Content of records."""
    payload = encode(records, int(content_format), base, catalogue)
    return Message(code=Code.CONTENT, payload=payload, content_format=int(content_format))
