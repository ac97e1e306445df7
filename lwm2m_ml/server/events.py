"""What the server tells the rest of the service, over the bus."""

from dataclasses import dataclass

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """Something that concerns one device."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class DeviceRegistered(DeviceEvent):
    """A device registered; `reregistered` when it already was, so it may have lost what it did not store."""

    reregistered: bool


@dataclass(frozen=True, slots=True)
class DeviceUpdated(DeviceEvent):
    """A device renewed its registration; `objects_changed` when it told a new list of objects."""

    objects_changed: bool = False


@dataclass(frozen=True, slots=True)
class DeviceDeregistered(DeviceEvent):
    """A device said good-bye."""


@dataclass(frozen=True, slots=True)
class DeviceExcluded(DeviceDeregistered):
    """A device lost the right to be registered: its credential ended, or it has one now and came in without."""

    reason: str


@dataclass(frozen=True, slots=True)
class DeviceExpired(DeviceEvent):
    """A device's lifetime passed without an Update."""


@dataclass(frozen=True, slots=True)
class DataSent(DeviceEvent):
    """A device sent data of its own accord (Send, Core TS V1_1 §6.4.7)."""

    records: tuple[Record, ...]
    received_at: float


@dataclass(frozen=True, slots=True)
class Notified(DeviceEvent):
    """An observed path has news."""

    path: ObjectPath
    records: tuple[Record, ...]
    received_at: float
    prefix: str = ""
    """Names a device behind the endpoint, a gateway (object 25)."""


@dataclass(frozen=True, slots=True)
class RequestQueued(DeviceEvent):
    """A request to a device that another node acts for was stored."""


@dataclass(frozen=True, slots=True)
class RequestEnded(DeviceEvent):
    """A request from the durable queue came to an end; the queue tells its outcome by its number."""

    number: int
    state: str


@dataclass(frozen=True, slots=True)
class PackageServed(DeviceEvent):
    """A device has fetched all of what lies at `token`, from whichever node."""

    token: str
    bytes_served: int
    block_bytes: int | None


@dataclass(frozen=True, slots=True)
class DeviceBootstrapped(DeviceEvent):
    """A device took its configuration from the bootstrap server."""


@dataclass(frozen=True, slots=True)
class BootstrapFailed(DeviceEvent):
    """A device asked for its configuration and could not be given it."""

    reason: str
