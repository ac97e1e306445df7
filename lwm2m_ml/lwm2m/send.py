"""Payloads of the Send operation: what a client reports without being asked (Core TS V1_2 §6.4.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.codecs import CodecError, decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.response_codes import ResponseCode

URI_PATH: Final = ("dp",)
"""Where clients POST to."""

FORMATS = frozenset({ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.LWM2M_CBOR})
"""Formats of Send; LwM2M CBOR from version 1.2."""


class SendError(InvalidInputError):
    """A Send cannot be accepted; `code` is the CoAP response to give."""

    def __init__(self, message: str, *, hint: str, code: ResponseCode) -> None:
        super().__init__(message, hint=hint)
        self.code = code


def parse_send(payload: bytes, content_format: int | None, catalogue: Catalogue) -> tuple[Record, ...]:
    """Return the values a client sends."""
    if content_format is None or ContentFormat.of(content_format) not in FORMATS:
        raise SendError(
            f"A Send came in content format {content_format}",
            hint="Send SenML CBOR (112), SenML JSON (110) or LwM2M CBOR (11544)",
            code=ResponseCode.UNSUPPORTED_CONTENT_FORMAT,
        )
    try:
        records = decode(payload, content_format, ROOT, catalogue)
    except CodecError as error:
        raise SendError(error.message, hint=error.hint, code=ResponseCode.BAD_REQUEST) from error
    if not records:
        raise SendError("A Send holds no values", hint="Send at least one", code=ResponseCode.BAD_REQUEST)
    for path, value, _ in records:
        if path.object_id == 0 or value is None or path.resource_id is None:
            raise SendError(
                f"{path} cannot be sent", hint="Send readable resources with values", code=ResponseCode.BAD_REQUEST
            )
    return records


def format_send(records: Sequence[Record], content_format: int, catalogue: Catalogue) -> bytes:
    """Return the payload that reports the records."""
    return encode(records, content_format, ROOT, catalogue)
