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
    registration: Registration, response: aiocoap.Message, path: ObjectPath, catalogues: Catalogues
) -> tuple[Record, ...]:
    """What an answer about `path` says, by its own content format, which need not be the one asked for."""
    content_format = response.opt.content_format
    try:
        return decode(
            response.payload,
            ContentFormat.TEXT if content_format is None else int(content_format),
            path,
            catalogues.of(registration.parameters),
        )
    except CodecError as error:
        endpoint = registration.endpoint
        raise UnusableAnswer(f"{endpoint} answered about {path} with {error.message}", endpoint=endpoint) from error
