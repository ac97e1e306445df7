"""Payloads of Read-Composite, Observe-Composite and Write-Composite (Core TS V1_2 §6.3.8, §6.3.9, §6.4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record

REQUEST_FORMATS = frozenset(
    {
        ContentFormat.SENML_ETCH_JSON,
        ContentFormat.SENML_ETCH_CBOR,
        ContentFormat.SENML_JSON,
        ContentFormat.SENML_CBOR,
    }
)
"""What FETCH and iPATCH bodies are written in; the plain SenML formats are version 1.1's, the ETCH ones RFC 8790's."""

MAX_PATHS = 1024

_NO_DEFINITIONS = Catalogue()


class CompositeError(InvalidInputError):
    """A composite request is malformed or contradicts itself."""


def read_request(paths: Sequence[ObjectPath], content_format: int, *, prefix: str = "") -> bytes:
    """Return the body of a FETCH for these paths, of any level but the root.

    `prefix` is that of a device behind a gateway: the request goes to the gateway, the names say whose paths they are.
    """
    _check(paths)
    records = [Record(path, None) for path in paths]
    return encode(records, _format(content_format), ROOT, _NO_DEFINITIONS, prefix=prefix)


def parse_read_request(payload: bytes, content_format: int) -> tuple[ObjectPath, ...]:
    """Return the paths a FETCH asks for; values that come along with them mean nothing."""
    paths = tuple(record.path for record in decode(payload, _format(content_format), ROOT, _NO_DEFINITIONS))
    _check(paths)
    return paths


def write_request(records: Sequence[Record], content_format: int, catalogue: Catalogue, *, prefix: str = "") -> bytes:
    """Return the body of an iPATCH that writes these values; the client takes all or none.

    A record without a value asks for the removal of a resource instance.
    """
    _check_values(records)
    return encode(records, _format(content_format), ROOT, catalogue, prefix=prefix)


def parse_write_request(payload: bytes, content_format: int, catalogue: Catalogue) -> tuple[Record, ...]:
    """Return what an iPATCH writes."""
    records = decode(payload, _format(content_format), ROOT, catalogue)
    _check_values(records)
    return records


def _format(content_format: int) -> ContentFormat:
    known = ContentFormat.of(content_format)
    if known not in REQUEST_FORMATS or known is None:
        raise CompositeError(
            f"Composite operations cannot use content format {content_format}", hint="Use 320, 322, 110 or 112"
        )
    return known


def _check(paths: Sequence[ObjectPath]) -> None:
    if not 0 < len(paths) <= MAX_PATHS:
        raise CompositeError(f"A composite request names {len(paths)} paths", hint=f"Name 1 to {MAX_PATHS}")
    if ROOT in paths:
        # An empty name is an empty path segment on some clients, which then answer 4.00 to everything.
        raise CompositeError("A composite request names the root", hint="Name objects, or use a plain operation")
    if len(set(paths)) != len(paths):
        raise CompositeError("A composite request names a path twice", hint="Name each path once")


def _check_values(records: Sequence[Record]) -> None:
    _check([record.path for record in records])
    for record in records:
        if record.path.level < 3 or (record.value is None and record.path.level < 4):
            raise CompositeError(f"{record.path} cannot be written like this", hint="Give resources with their values")
        if record.timestamp is not None:
            raise CompositeError(f"{record.path} is written with a time", hint="Leave the time out")


def covers(paths: Sequence[ObjectPath], records: Sequence[Record]) -> bool:
    """Tell whether every record belongs to one of the requested paths; a client may leave out what it cannot read."""
    return all(any(path.contains(record.path) for path in paths) for record in records)
