"""What every road of delivery has: a table, a way to read the device, and the seven things that can be done."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.service.delivery.machine import Event, Memory, Table
from lwm2m_ml.service.delivery.slots import Slot, SlotStatus
from lwm2m_ml.service.delivery.transfer import Push, Transfer, Urgency
from lwm2m_ml.service.device_access import DeliveryAccess


class UnexpectedReading(Lwm2mMlError):
    """A device answered a Read with something that its object definition does not allow."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the delivery object says at one moment: its numbers, and whether the software is active."""

    state: int
    result: int
    active: bool


class Road(ABC):
    """One way to bring a module to a device."""

    name: str
    table: Table
    slot: Slot
    package: ObjectPath
    """The resource that takes a pushed package."""
    transfer_failures: Collection[int]
    """Results that speak of the transfer, and not of the package: another transfer may go well."""
    urgency: Urgency = Urgency()
    """What a device's user may do about an update by reboot."""

    @abstractmethod
    def observed(self) -> tuple[ObjectPath, ...]:
        """Return the resources whose changes are worth a look."""

    @abstractmethod
    async def read(self, access: DeliveryAccess, endpoint: str) -> Reading:
        """Read the delivery object."""

    @abstractmethod
    def classify(self, reading: Reading, slot: SlotStatus, memory: Memory) -> Event:
        """Turn what the device says into an event."""

    @abstractmethod
    async def offer(self, access: DeliveryAccess, endpoint: str, uri: str, package: bytes) -> None:
        """Tell the device where the package is, and what it is where the object can say it."""

    async def push(self, access: DeliveryAccess, endpoint: str, push: Push) -> None:
        """Write the package itself, block by block."""
        await access.push(endpoint, self.package, push.package, within=push.within, block_bytes=push.block_bytes)

    async def transfers(self, access: DeliveryAccess, endpoint: str) -> tuple[Transfer, ...]:
        """Return how the device can get a package, best first; without a resource that tells, pulling goes first."""
        return (Transfer.PULL, Transfer.PUSH, Transfer.PULL_HTTP)

    @abstractmethod
    async def clear(self, access: DeliveryAccess, endpoint: str) -> None:
        """Make room: drop what the delivery object holds."""

    async def cancel(self, access: DeliveryAccess, endpoint: str) -> None:
        """Give up a delivery that is not installed yet."""
        await self.clear(access, endpoint)

    @abstractmethod
    async def install(self, access: DeliveryAccess, endpoint: str) -> None:
        """Have the checked package installed."""

    @abstractmethod
    async def activate(self, access: DeliveryAccess, endpoint: str) -> None:
        """Have the installed module run."""

    @abstractmethod
    def failure_sentence(self, reading: Reading, slot: SlotStatus) -> str:
        """Say why the device refused."""


async def read_integer(access: DeliveryAccess, endpoint: str, path: ObjectPath) -> int:
    """Read one integer (or Boolean) resource; raises `UnexpectedReading`."""
    records = await access.read(endpoint, path)
    value = records[0].value if len(records) == 1 else None
    if not isinstance(value, int):
        raise UnexpectedReading(f"{path} of {endpoint} was read as {value!r:.40}, an integer was expected")
    return value
