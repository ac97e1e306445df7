"""Operations as data: what the durable queue keeps until a device is awake."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.attributes import parse_attributes
from lwm2m_ml.lwm2m.link_format import format_links
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.devices import DeviceOperations
from lwm2m_ml.server.senml_documents import from_senml, to_senml


class OperationName(StrEnum):
    """What can be queued."""

    READ = "read"
    WRITE = "write"
    WRITE_ATTRIBUTES = "write-attributes"
    EXECUTE = "execute"
    DISCOVER = "discover"
    CREATE = "create"
    DELETE = "delete"
    READ_COMPOSITE = "read-composite"
    WRITE_COMPOSITE = "write-composite"


REPEATABLE = frozenset({OperationName.READ, OperationName.DISCOVER, OperationName.READ_COMPOSITE})
"""What changes nothing, and may be sent again when nobody knows whether it arrived."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on a device. Composites use `paths` or `records`, all others the one path in `paths`."""

    name: OperationName
    paths: tuple[ObjectPath, ...] = ()
    records: tuple[Record, ...] = ()
    replace: bool = True
    arguments: str = ""
    attributes: tuple[str, ...] = ()

    @property
    def path(self) -> ObjectPath:
        """The path of an operation that has one."""
        if len(self.paths) != 1:
            raise UsageError(f"The operation {self.name} needs one path, not {len(self.paths)}")
        return self.paths[0]

    def to_document(self) -> dict[str, Any]:
        """The operation as JSON; values are SenML JSON."""
        return {
            "name": str(self.name),
            "paths": [str(path) for path in self.paths],
            "records": to_senml(self.records),
            "replace": self.replace,
            "arguments": self.arguments,
            "attributes": list(self.attributes),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Operation":
        """The operation that `to_document` wrote."""
        return cls(
            name=OperationName(document["name"]),
            paths=tuple(ObjectPath.parse(path) for path in document["paths"]),
            records=from_senml(document["records"]),
            replace=document["replace"],
            arguments=document["arguments"],
            attributes=tuple(document["attributes"]),
        )


def records_of(outcome: Mapping[str, Any]) -> tuple[Record, ...]:
    """The records in the outcome of a Read or Read-Composite."""
    return from_senml(outcome["records"])


async def perform(devices: DeviceOperations, endpoint: str, operation: Operation) -> dict[str, Any]:
    """Do an operation and return its outcome as JSON."""
    return await _PERFORMERS[operation.name](devices, endpoint, operation)


async def _read(devices: DeviceOperations, endpoint: str, operation: Operation) -> dict[str, Any]:
    return {"records": to_senml(await devices.read(endpoint, operation.path))}


async def _write(devices: DeviceOperations, endpoint: str, operation: Operation) -> dict[str, Any]:
    await devices.write(endpoint, operation.path, operation.records, replace=operation.replace)
    return {}


async def _write_attributes(devices: DeviceOperations, endpoint: str, operation: Operation) -> dict[str, Any]:
    await devices.write_attributes(endpoint, operation.path, parse_attributes(operation.attributes))
    return {}


async def _execute(devices: DeviceOperations, endpoint: str, operation: Operation) -> dict[str, Any]:
    await devices.execute(endpoint, operation.path, operation.arguments)
    return {}


async def _discover(devices: DeviceOperations, endpoint: str, operation: Operation) -> dict[str, Any]:
    return {"links": format_links(await devices.discover(endpoint, operation.path)).decode()}


async def _create(devices: DeviceOperations, endpoint: str, operation: Operation) -> dict[str, Any]:
    return {"path": str(await devices.create(endpoint, operation.path, operation.records))}


async def _delete(devices: DeviceOperations, endpoint: str, operation: Operation) -> dict[str, Any]:
    await devices.delete(endpoint, operation.path)
    return {}


async def _read_composite(devices: DeviceOperations, endpoint: str, operation: Operation) -> dict[str, Any]:
    return {"records": to_senml(await devices.read_composite(endpoint, operation.paths))}


async def _write_composite(devices: DeviceOperations, endpoint: str, operation: Operation) -> dict[str, Any]:
    await devices.write_composite(endpoint, operation.records)
    return {}


_PERFORMERS: dict[OperationName, Callable[[DeviceOperations, str, Operation], Awaitable[dict[str, Any]]]] = {
    OperationName.READ: _read,
    OperationName.WRITE: _write,
    OperationName.WRITE_ATTRIBUTES: _write_attributes,
    OperationName.EXECUTE: _execute,
    OperationName.DISCOVER: _discover,
    OperationName.CREATE: _create,
    OperationName.DELETE: _delete,
    OperationName.READ_COMPOSITE: _read_composite,
    OperationName.WRITE_COMPOSITE: _write_composite,
}
