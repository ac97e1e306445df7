"""Values as operators write them, JSON or text, to values in the types of their resources."""

from collections.abc import Mapping

from lwm2m_ml.lwm2m.conformance import check_value, parse_value
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value

Plain = str | int | float | bool
"""Opaque values are base64, links `3:0`, times Unix seconds; any value may also be given as its text."""


def typed_value(path: ObjectPath, plain: Plain, catalogue: Catalogue) -> Value:
    """Return the value in the type of its resource; raises an `InvalidInputError` that names the path otherwise."""
    if isinstance(plain, str):
        return parse_value(path, plain, catalogue)
    return check_value(path, plain, catalogue)


def records_of(plain: Mapping[str, Plain], catalogue: Catalogue) -> tuple[Record, ...]:
    """Return typed records of values by path."""
    paths = {ObjectPath.parse(text): value for text, value in plain.items()}
    return tuple(Record(path, typed_value(path, value, catalogue)) for path, value in paths.items())
