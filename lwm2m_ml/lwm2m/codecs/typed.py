"""Brings a value into the Python type of its resource, as far as that loses nothing."""

from __future__ import annotations

from collections.abc import Callable

from lwm2m_ml.lwm2m.codecs.codec_error import CodecError
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import ObjectLink, Value, ValueFormatError

_EXACT = {
    ResourceType.STRING: str,
    ResourceType.CORE_LINK: str,
    ResourceType.FLOAT: float,
    ResourceType.BOOLEAN: bool,
    ResourceType.OPAQUE: bytes,
    ResourceType.OBJECT_LINK: ObjectLink,
}
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**63 - 1
MAX_UNSIGNED = 2**64 - 1


def resource_type(path: ObjectPath, catalogue: Catalogue) -> ResourceType:
    """Return the type of the resource at the path, NONE where no definition is known."""
    definition = catalogue.resource(path)
    return ResourceType.NONE if definition is None else definition.type


def exact_type(kind: ResourceType) -> type | None:
    """Return the Python type whose every value a resource of this type can have, where there is one."""
    return _EXACT.get(kind)


def typed(value: object, kind: ResourceType, path: ObjectPath) -> Value:
    """Return the value in the type of its resource.

    Accepted beside the type itself: whole floats for integers, integers for floats, 0 and 1 for booleans and text for
    object links, because devices send them. A resource without a known type keeps what came.
    """
    if type(value) is _EXACT.get(kind):
        return value  # type: ignore[return-value]  # the table holds only types of Value
    convert = _CONVERSIONS.get(kind)
    converted = convert(value) if convert is not None else _untyped(value)
    if converted is None:
        raise CodecError(
            f"{path} holds {type(value).__name__} {str(value)[:40]!r} instead of {kind.value or 'a value'}",
            hint="Check the device's object version and the definition in use",
        )
    return converted


def _integer(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value) if abs(value) < 2**64 else None
    if type(value) is int and MIN_INTEGER <= value <= MAX_INTEGER:
        return value
    return None


def _unsigned(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value) if abs(value) < 2**65 else None
    return value if type(value) is int and 0 <= value <= MAX_UNSIGNED else None


def _float(value: object) -> float | None:
    return float(value) if type(value) is int and MIN_INTEGER <= value <= MAX_UNSIGNED else None


def _time(value: object) -> int | float | None:
    # Comparing also keeps out what is not a number.
    return value if type(value) in {int, float} and MIN_INTEGER <= value <= MAX_INTEGER else None  # type: ignore[operator,return-value]


def _boolean(value: object) -> bool | None:
    return bool(value) if type(value) is int and value in {0, 1} else None


def _object_link(value: object) -> ObjectLink | None:
    if not isinstance(value, str):
        return None
    try:
        return ObjectLink.parse(value)
    except ValueFormatError:
        return None


def _untyped(value: object) -> Value | None:
    if type(value) is int:
        return value if MIN_INTEGER <= value <= MAX_UNSIGNED else None
    return value if isinstance(value, (str, bool, float, bytes, ObjectLink)) else None


def _nothing(_value: object) -> None:
    return None


_CONVERSIONS: dict[ResourceType, Callable[[object], Value | None]] = {
    ResourceType.STRING: _nothing,
    ResourceType.CORE_LINK: _nothing,
    ResourceType.OPAQUE: _nothing,
    ResourceType.INTEGER: _integer,
    ResourceType.UNSIGNED_INTEGER: _unsigned,
    ResourceType.FLOAT: _float,
    ResourceType.BOOLEAN: _boolean,
    ResourceType.TIME: _time,
    ResourceType.OBJECT_LINK: _object_link,
}
