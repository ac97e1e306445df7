"""What the service asks of devices: the few LwM2M operations it uses, and the LwM2M server as the one who does them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value

OnRecords = Callable[[Sequence[Record]], None]


class DeviceAccess(Protocol):
    """Operations on registered devices. They raise the server's `UnknownDevice`, `DeviceTimeout` and `DeviceError`."""

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

    async def observe(self, endpoint: str, path: ObjectPath, on_records: OnRecords) -> None:
        """Observe a path until the device registers anew."""
