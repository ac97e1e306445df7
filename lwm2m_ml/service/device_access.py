"""What the service asks of devices: the few LwM2M operations it uses, and the LwM2M server as the one who does them."""

from collections.abc import Sequence
from typing import Protocol

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.server.errors import UnknownDevice
from lwm2m_ml.server.server import Lwm2mServer


class DeviceAccess(Protocol):
    """Operations on registered devices; they raise `UnknownDevice`, `DeviceError` and other `OperationError`s."""

    def instances(self, endpoint: str, object_id: int) -> tuple[int, ...] | None:
        """Return the instances of an object that the device registered; None when it did not register the object."""

    def last_seen(self, endpoint: str) -> float | None:
        """Return when the device was last heard of, in Unix seconds; None when it is not registered."""

    async def read(self, endpoint: str, path: ObjectPath) -> Sequence[Record]:
        """Read a path."""

    async def write(self, endpoint: str, path: ObjectPath, value: Value) -> None:
        """Write one resource."""

    async def execute(self, endpoint: str, path: ObjectPath, arguments: str = "") -> None:
        """Execute a resource."""

    async def observe(self, endpoint: str, path: ObjectPath, *, lasting: bool = False) -> None:
        """Have news of a path told on the bus, until the device registers anew or, `lasting`, for good."""


class DeliveryAccess(DeviceAccess, Protocol):
    """What deliveries ask for besides: packages are larger than other values, and wait for devices that sleep."""

    def awake(self, endpoint: str) -> bool:
        """Whether the device is registered and an operation would be sent at once."""

    async def push(
        self, endpoint: str, path: ObjectPath, content: bytes, *, within: float, block_bytes: int | None
    ) -> None:
        """Write one opaque resource of any size, in blocks of at most `block_bytes`, within so many seconds."""


def instances_of(access: DeviceAccess, endpoint: str, object_id: int) -> tuple[int, ...] | None:
    """Return the instances of an object, None where the device does not offer it.

    Raises `UnknownDevice` for a device that is not registered now: nothing is known then of what it offers.
    """
    instances = access.instances(endpoint, object_id)
    if instances is None and access.last_seen(endpoint) is None:
        raise UnknownDevice(endpoint)
    return instances


class ServerDeviceAccess:
    """The LwM2M server's devices."""

    def __init__(self, server: Lwm2mServer) -> None:
        self._server = server

    def instances(self, endpoint: str, object_id: int) -> tuple[int, ...] | None:
        """Return the registered instances of an object."""
        registration = self._server.registry.find(endpoint)
        return None if registration is None else registration.instances(object_id)

    def last_seen(self, endpoint: str) -> float | None:
        """Return when the device last registered or updated."""
        registration = self._server.registry.find(endpoint)
        return None if registration is None else registration.updated_at

    def awake(self, endpoint: str) -> bool:
        """Whether the device is registered and does not sleep."""
        return self._server.registry.find(endpoint) is not None and self._server.awake(endpoint)

    async def read(self, endpoint: str, path: ObjectPath) -> Sequence[Record]:
        """Read a path."""
        return await self._server.devices.read(endpoint, path)

    async def write(self, endpoint: str, path: ObjectPath, value: Value) -> None:
        """Write one resource."""
        await self._server.devices.write(endpoint, path, value)

    async def push(
        self, endpoint: str, path: ObjectPath, content: bytes, *, within: float, block_bytes: int | None
    ) -> None:
        """Write one opaque resource of any size."""
        await self._server.devices.write(endpoint, path, content, within=within, block_bytes=block_bytes)

    def traffic(self, endpoint: str) -> tuple[int, int]:
        """Return the bytes that came from a device and went to it at its present address; none when it is gone."""
        registration = self._server.registry.find(endpoint)
        return (0, 0) if registration is None else (registration.remote.bytes_in, registration.remote.bytes_out)

    async def write_records(self, endpoint: str, path: ObjectPath, records: Sequence[Record], within: float) -> None:
        """Write several resources of an instance in one message."""
        await self._server.devices.write(endpoint, path, records, replace=False, within=within)

    async def execute(self, endpoint: str, path: ObjectPath, arguments: str = "") -> None:
        """Execute a resource."""
        await self._server.devices.execute(endpoint, path, arguments)

    async def observe(self, endpoint: str, path: ObjectPath, *, lasting: bool = False) -> None:
        """Observe a path; the server publishes what comes."""
        await self._server.devices.observe(endpoint, path, lasting=lasting)
