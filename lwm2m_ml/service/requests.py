"""Operations that wait, durably and in order, until their device is awake: a ticket now, the outcome later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lwm2m_ml.lwm2m.attributes import parse_attributes
from lwm2m_ml.lwm2m.conformance import Operation as Wish
from lwm2m_ml.lwm2m.conformance import check_operation
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.execute_arguments import parse_arguments
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.operations import Operation, OperationName, records_of
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service import plain_values
from lwm2m_ml.service.plain_values import Plain
from lwm2m_ml.store.device_requests import DeviceRequestRecord

WRITES = frozenset({OperationName.WRITE, OperationName.WRITE_COMPOSITE})


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: writes and creates have values by path, everything else paths."""

    operation: str
    paths: Sequence[str] = ()
    values: Mapping[str, Plain] | None = None
    replace: bool = True
    arguments: str = ""
    attributes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A ticket: what was asked of which device, where it stands, and the outcome. Times in Unix seconds."""

    number: int
    endpoint: str
    operation: str
    paths: tuple[str, ...]
    state: str
    created_at: float
    expires_at: float
    ended_at: float | None
    records: tuple[Record, ...]
    text: str
    """Links of a Discover, the path of a Create."""
    error: str


class Requests:
    """The queue as operators see it."""

    def __init__(self, server: Lwm2mServer, catalogue: Catalogue) -> None:
        self._server = server
        self._catalogue = catalogue

    async def submit(self, endpoint: str, asked: Asked, *, lifetime: float | None = None) -> DeviceRequest:
        """Queue an operation; it is done at once when the device is awake, else when it wakes up."""
        versions = self._server.registry.get(endpoint).parameters.object_versions
        operation = _operation(asked, self._catalogue.for_versions(versions))
        return await self.get(await self._server.requests.submit(endpoint, operation, lifetime=lifetime))

    async def get(self, number: int) -> DeviceRequest:
        """Return a request; raises `NotFoundError`."""
        return _request(await self._server.requests.get(number))

    async def of(self, endpoint: str) -> tuple[DeviceRequest, ...]:
        """Return the requests of a device, oldest first."""
        return tuple(map(_request, await self._server.requests.of(endpoint)))

    async def cancel(self, number: int) -> None:
        """Take a waiting request back; raises `ConflictError` when it does not wait any more."""
        await self._server.requests.cancel(number)


def _operation(asked: Asked, catalogue: Catalogue) -> Operation:
    name = OperationName(asked.operation)
    values = asked.values or {}
    paths = tuple(ObjectPath.parse(path) for path in asked.paths)
    if name in WRITES:
        for path in values:
            check_operation(ObjectPath.parse(path), Wish.WRITE, catalogue)
    if name is OperationName.EXECUTE:
        parse_arguments(asked.arguments.encode())
    parse_attributes(asked.attributes)
    records = plain_values.records_of(values, catalogue)
    return Operation(name, paths, records, asked.replace, asked.arguments, tuple(asked.attributes))


def _request(record: DeviceRequestRecord) -> DeviceRequest:
    operation = Operation.from_document(record.operation)
    outcome = record.outcome or {}
    return DeviceRequest(
        number=record.id,
        endpoint=record.endpoint,
        operation=str(operation.name),
        paths=tuple(map(str, operation.paths)),
        state=str(record.state),
        created_at=record.created_at,
        expires_at=record.expires_at,
        ended_at=record.ended_at,
        records=records_of(outcome) if "records" in outcome else (),
        text=str(outcome.get("links") or outcome.get("path") or ""),
        error=str(outcome.get("error") or ""),
    )
