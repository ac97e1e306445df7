"""Reading what devices answer."""

import aiocoap

from lwm2m_ml.lwm2m.codecs import CodecError, decode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.catalogues import Catalogues
from lwm2m_ml.server.errors import UnusableAnswer
from lwm2m_ml.server.registration import Registration


def decode_answer(
    registration: Registration,
    response: aiocoap.Message,
    path: ObjectPath,
    catalogues: Catalogues,
    *,
    prefix: str = "",
) -> tuple[Record, ...]:
    """What an answer about `path` says, by its own content format, which need not be the one asked for."""
    told = None if response.opt.content_format is None else int(response.opt.content_format)
    return decode_payload(registration, response.payload, told, path, catalogues, prefix=prefix)


def decode_payload(
    registration: Registration,
    payload: bytes,
    content_format: int | None,
    path: ObjectPath,
    catalogues: Catalogues,
    *,
    prefix: str = "",
) -> tuple[Record, ...]:
    """What a payload about `path` says; text where no format is told. `prefix`: of a device behind the registered."""
    try:
        return decode(
            payload,
            ContentFormat.TEXT if content_format is None else content_format,
            path,
            catalogues.of(registration.parameters),
            prefix=prefix,
        )
    except CodecError as error:
        endpoint = registration.endpoint
        raise UnusableAnswer(f"{endpoint} answered about {path} with {error.message}", endpoint=endpoint) from error
