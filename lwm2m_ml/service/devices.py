"""Devices as operators see them: the registration, the profile, and single operations by path and plain value."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service.profile_keeper import ProfileKeeper
from lwm2m_ml.service.profiles import CapabilityProfile


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

    def get(self, endpoint: str) -> Device:
        """Return one device; raises `UnknownDevice`."""
        return self._device(self._server.registry.get(endpoint))

    async def read(self, endpoint: str, path: str) -> tuple[Record, ...]:
        """Read an object, object instance, resource or resource instance."""
        return await self._server.devices.read(endpoint, ObjectPath.parse(path))

    async def write(self, endpoint: str, path: str, value: str | float | bool) -> None:
        """Write a resource; opaque values are given in base64, links as `3:0`."""
        parsed = ObjectPath.parse(path)
        await self._server.devices.write(endpoint, parsed, self._typed(parsed, value))

    async def execute(self, endpoint: str, path: str, arguments: str = "") -> None:
        """Execute a resource."""
        await self._server.devices.execute(endpoint, ObjectPath.parse(path), arguments)

    def _typed(self, path: ObjectPath, value: str | float | bool) -> Value:
        definition = self._catalogue.resource(path)
        kind = None if definition is None else definition.type
        if kind is ResourceType.OPAQUE:
            try:
                return base64.b64decode(str(value), validate=True)
            except binascii.Error as error:
                raise UsageError(f"The value for {path} is not base64", hint="Opaque values are written so") from error
        if kind is ResourceType.OBJECT_LINK:
            return ObjectLink.parse(str(value))
        return value

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


def _paths(keys: Sequence[tuple[int, int | None]]) -> tuple[str, ...]:
    """Spell out registered objects and instances, in numerical order."""
    ordered = sorted(keys, key=lambda key: (key[0], -1 if key[1] is None else key[1]))
    return tuple(str(ObjectPath(object_id, instance)) for object_id, instance in ordered)
