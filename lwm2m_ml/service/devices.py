"""Devices as operators see them: the registration, the profile, and single operations by path and plain value."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.attributes import parse_attributes
from lwm2m_ml.lwm2m.conformance import Operation, check_operation
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.execute_arguments import parse_arguments
from lwm2m_ml.lwm2m.link_format import Link
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.devices import DeviceOperations
from lwm2m_ml.server.errors import DeviceTimeout
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service.device_query import DeviceQuery, Place, select
from lwm2m_ml.service.plain_values import Plain, records_of
from lwm2m_ml.service.profile_keeper import ProfileKeeper
from lwm2m_ml.service.profiles import CapabilityProfile

PATIENCE_SECONDS = 100.0
"""How long an operator is kept waiting for a device that sleeps; longer than a device may take to answer."""


@dataclass(frozen=True, slots=True)
class Device:
    """A registered device. Times in Unix seconds, lifetime in seconds; no profile until it has been read."""

    endpoint: str
    address: str
    lwm2m_version: str
    binding: str
    lifetime: int
    registered_at: float
    last_seen: float
    objects: tuple[str, ...]
    profile: CapabilityProfile | None


class Devices:
    """What operators ask of devices."""

    def __init__(self, server: Lwm2mServer, keeper: ProfileKeeper, catalogue: Catalogue) -> None:
        self._server = server
        self._keeper = keeper
        self._catalogue = catalogue

    def all(self) -> tuple[Device, ...]:
        """Return all registered devices, by endpoint."""
        return tuple(map(self._device, self._server.registry.all()))

    async def find(self, query: DeviceQuery, *, after: Place | None = None, limit: int = 1_000) -> tuple[Device, ...]:
        """Return the devices that a query means, in its order, from after a place on, at most `limit`."""
        found = await select(tuple(self._server.registry), self._keeper.get, query, after=after, limit=limit)
        return tuple(map(self._device, found))

    def get(self, endpoint: str) -> Device:
        """Return one device; raises `UnknownDevice`."""
        return self._device(self._server.registry.get(endpoint))

    async def read(self, endpoint: str, path: str, *, behind: str = "") -> tuple[Record, ...]:
        """Read an object, object instance, resource or resource instance."""
        async with _patience(endpoint):
            return await self._at(behind).read(endpoint, ObjectPath.parse(path))

    async def write(
        self, endpoint: str, path: str, value: Plain | Mapping[str, Plain], *, replace: bool = True, behind: str = ""
    ) -> None:
        """Write a resource, or values by path at or below an instance or a resource."""
        parsed, catalogue = ObjectPath.parse(path), self._catalogue_of(endpoint)
        values = value if isinstance(value, Mapping) else {path: value}
        records = _to_write(values, catalogue)
        if any(not parsed.contains(record.path) for record in records):
            raise UsageError(f"A value to write is not part of {parsed}", hint="Name paths at or below it")
        async with _patience(endpoint):
            await self._at(behind).write(endpoint, parsed, records, replace=replace)

    async def execute(self, endpoint: str, path: str, arguments: str = "", *, behind: str = "") -> None:
        """Execute a resource."""
        parsed = ObjectPath.parse(path)
        parse_arguments(arguments.encode())
        check_operation(parsed, Operation.EXECUTE, self._catalogue_of(endpoint))
        async with _patience(endpoint):
            await self._at(behind).execute(endpoint, parsed, arguments)

    async def discover(
        self, endpoint: str, path: str, *, depth: int | None = None, behind: str = ""
    ) -> tuple[Link, ...]:
        """List what is below a path, with attributes."""
        async with _patience(endpoint):
            return await self._at(behind).discover(endpoint, ObjectPath.parse(path), depth=depth)

    async def create(
        self, endpoint: str, path: str, values: Mapping[str, Plain], *, instance: int | None = None, behind: str = ""
    ) -> ObjectPath:
        """Create an instance of an object; `values` by resource (`1`, `10/0`). Without a number the device chooses."""
        made = ObjectPath.parse(path).child(instance or 0)
        by_path = {f"{made}/{resource}": value for resource, value in values.items()}
        records = records_of(by_path, self._catalogue_of(endpoint))
        if instance is not None and not records:
            records = (Record(made, None),)
        async with _patience(endpoint):
            return await self._at(behind).create(endpoint, made.parent, records, numbered=instance is not None)

    async def delete(self, endpoint: str, path: str, *, behind: str = "") -> None:
        """Delete an object instance, or a resource instance of a device that speaks 1.2."""
        async with _patience(endpoint):
            await self._at(behind).delete(endpoint, ObjectPath.parse(path))

    async def write_attributes(self, endpoint: str, path: str, change: Sequence[str], *, behind: str = "") -> None:
        """Set (`pmin=10`) and clear (`pmin`) notification attributes of a path."""
        async with _patience(endpoint):
            await self._at(behind).write_attributes(endpoint, ObjectPath.parse(path), parse_attributes(change))

    async def read_composite(self, endpoint: str, paths: Sequence[str], *, behind: str = "") -> tuple[Record, ...]:
        """Read several paths at once, whatever of them is readable."""
        async with _patience(endpoint):
            return await self._at(behind).read_composite(endpoint, [ObjectPath.parse(path) for path in paths])

    async def write_composite(self, endpoint: str, values: Mapping[str, Plain], *, behind: str = "") -> None:
        """Write several resources at once, all or nothing."""
        records = _to_write(values, self._catalogue_of(endpoint))
        async with _patience(endpoint):
            await self._at(behind).write_composite(endpoint, records)

    def _at(self, behind: str) -> DeviceOperations:
        """Operations on devices, or on those behind a gateway with this prefix (object 25)."""
        return self._server.devices.behind(behind) if behind else self._server.devices

    def _catalogue_of(self, endpoint: str) -> Catalogue:
        """The definitions in the versions that the device registered."""
        return self._catalogue.for_versions(self._server.registry.get(endpoint).parameters.object_versions)

    def _device(self, registration: Registration) -> Device:
        parameters = registration.parameters
        host, port = registration.address
        return Device(
            endpoint=registration.endpoint,
            address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            lwm2m_version=parameters.version,
            binding=parameters.binding,
            lifetime=parameters.lifetime,
            registered_at=registration.registered_at,
            last_seen=registration.updated_at,
            objects=_paths(tuple(parameters.objects)),
            profile=self._keeper.get(registration.endpoint),
        )


@asynccontextmanager
async def _patience(endpoint: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield
    except TimeoutError as error:
        message = f"{endpoint} sleeps, or is busy with earlier operations"
        raise DeviceTimeout(message, endpoint=endpoint, hint="Queue the operation, to be done when it wakes") from error


def _to_write(values: Mapping[str, Plain], catalogue: Catalogue) -> tuple[Record, ...]:
    for path in values:
        check_operation(ObjectPath.parse(path), Operation.WRITE, catalogue)
    return records_of(values, catalogue)


def _paths(keys: Sequence[tuple[int, int | None]]) -> tuple[str, ...]:
    """Spell out registered objects and instances, in numerical order."""
    ordered = sorted(keys, key=lambda key: (key[0], -1 if key[1] is None else key[1]))
    return tuple(str(ObjectPath(object_id, instance)) for object_id, instance in ordered)
