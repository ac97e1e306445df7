"""Checks values and operations against definitions: type, range, multiplicity, operations (Core TS V1_2 §7)."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.codecs.codec_error import CodecError
from lwm2m_ml.lwm2m.codecs.text import value_from_text
from lwm2m_ml.lwm2m.codecs.typed import typed
from lwm2m_ml.lwm2m.definitions import Catalogue, Operations, ResourceDefinition, ResourceType
from lwm2m_ml.lwm2m.link_format import LinkFormatError, parse_links
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.lwm2m.value import Value


class Operation(enum.Enum):
    """What a server wants to do with a path."""

    READ = Operations.READ
    WRITE = Operations.WRITE
    EXECUTE = Operations.EXECUTE


class ConformanceError(InvalidInputError):
    """A value or an operation contradicts the definition of its path; `code` is the CoAP response that fits."""

    def __init__(self, path: ObjectPath, problem: str, *, hint: str, code: ResponseCode) -> None:
        super().__init__(f"{path} {problem}", hint=hint)
        self.path = path
        self.code = code


def check_operation(path: ObjectPath, operation: Operation, catalogue: Catalogue, *, bootstrap: bool = False) -> None:
    """Raise `ConformanceError` where the definition does not allow the operation on the path.

    What is unknown is allowed: the device knows better. A bootstrap server may write whatever it likes (V1_2 §6.1).
    """
    if path.object_id == 0 and not bootstrap:
        raise ConformanceError(
            path, "belongs to the bootstrap server", hint="Object 0 is closed", code=ResponseCode.UNAUTHORIZED
        )
    definition = catalogue.resource(path)
    if operation is Operation.EXECUTE and path.level != 3:
        raise ConformanceError(
            path, "cannot be executed", hint="Execute a resource", code=ResponseCode.METHOD_NOT_ALLOWED
        )
    if definition is None or (bootstrap and operation is Operation.WRITE):
        return
    if operation.value not in definition.operations:
        raise ConformanceError(
            path,
            f"({definition.name}) does not allow {operation.name.lower()}",
            hint=f"It allows {definition.operations or 'nothing'}",
            code=ResponseCode.METHOD_NOT_ALLOWED,
        )
    _check_multiplicity(path, definition)


def _check_multiplicity(path: ObjectPath, definition: ResourceDefinition) -> None:
    if path.level == 4 and not definition.multiple:
        raise ConformanceError(
            path, f"({definition.name}) has no instances", hint="Leave the last number out", code=ResponseCode.NOT_FOUND
        )


def check_value(path: ObjectPath, value: Value, catalogue: Catalogue) -> Value:
    """Return the value in the type of its resource, or raise `ConformanceError` where it does not fit."""
    definition = catalogue.resource(path)
    if definition is None:
        return value
    _check_multiplicity(path, definition)
    if path.level == 3 and definition.multiple:
        raise ConformanceError(
            path, f"({definition.name}) has instances", hint=f"Write {path}/0", code=ResponseCode.BAD_REQUEST
        )
    try:
        if Operations.EXECUTE in definition.operations:
            raise CodecError(f"{path} is executable", hint="Execute it")
        converted = typed(value, definition.type, path)
    except CodecError as error:
        raise ConformanceError(
            path,
            f"({definition.name}) must be {definition.type.value or 'empty'}, not {type(value).__name__}",
            hint="Give a value of that type",
            code=ResponseCode.BAD_REQUEST,
        ) from error
    _check_range(path, converted, definition)
    return converted


def parse_value(path: ObjectPath, text: str, catalogue: Catalogue) -> Value:
    """Return the value that a person wrote for the path, checked; `text` is in the form of the text format."""
    definition = catalogue.resource(path)
    kind = ResourceType.STRING if definition is None else definition.type
    return check_value(path, value_from_text(text, kind, path), catalogue)


def _check_range(path: ObjectPath, value: Value, definition: ResourceDefinition) -> None:
    if definition.type is ResourceType.CORE_LINK and isinstance(value, str):
        try:
            parse_links(value.encode())
        except LinkFormatError as error:
            raise ConformanceError(
                path, f"({definition.name}) is not a list of links", hint=error.hint, code=ResponseCode.BAD_REQUEST
            ) from error
    if definition.range is None:
        return
    measured = measure(value)
    if measured is not None and not definition.range.allows(measured):
        what = "has the length" if isinstance(value, (str, bytes)) else "is"
        raise ConformanceError(
            path,
            f"({definition.name}) {what} {measured:.15g}, outside {definition.range}",
            hint=f"Stay within {definition.range}",
            code=ResponseCode.BAD_REQUEST,
        )


def measure(value: Value) -> float | None:
    """Return what a range limits: a number itself, the length in bytes of text and byte strings, nothing of others."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def check_records(
    records: Iterable[Record], operation: Operation, catalogue: Catalogue, *, bootstrap: bool = False
) -> tuple[Record, ...]:
    """Return the records with every value in its resource's type; raise at the first that is not allowed."""
    checked = []
    for record in records:
        check_operation(record.path, operation, catalogue, bootstrap=bootstrap)
        if record.value is None:
            checked.append(record)
        else:
            checked.append(record._replace(value=check_value(record.path, record.value, catalogue)))
    return tuple(checked)


def missing_mandatory(instance: ObjectPath, records: Iterable[Record], catalogue: Catalogue) -> tuple[ObjectPath, ...]:
    """Return the mandatory resources that a new object instance would lack, apart from executable ones."""
    definition = None if instance.object_id is None else catalogue.get(instance.object_id)
    if definition is None:
        return ()
    present = {record.path.resource_id for record in records if instance.contains(record.path)}
    return tuple(
        instance.child(resource.resource_id)
        for resource in definition.resources.values()
        if resource.mandatory and Operations.EXECUTE not in resource.operations and resource.resource_id not in present
    )
