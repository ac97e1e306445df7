"""What a runner and its events need of a simulated device, with or without a microcontroller."""

from typing import Protocol

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.device.clock import DeviceClock
from lwm2m_ml_simulator.network.radio import Radio


class Participant(Protocol):
    """One device of a fleet."""

    boots: int
    clock: DeviceClock
    radio: Radio

    @property
    def endpoint(self) -> str:
        """The endpoint name."""

    @property
    def client(self) -> Lwm2mClient | None:
        """The LwM2M client that runs now, if one does."""

    @property
    def claims(self) -> dict[ObjectPath, Value]:
        """What the device says of resources in place of the truth."""

    @property
    def is_on(self) -> bool:
        """Whether the device is switched on; it may be without power for a moment."""

    @property
    def is_registered(self) -> bool:
        """Whether a server knows the device now."""

    async def start(self) -> None:
        """Switch it on."""

    async def stop(self, *, deregister: bool = True) -> None:
        """Switch it off: in good order, or without a word to its servers."""

    def cut_power(self, outage: float | None = None) -> None:
        """Pull the plug; it comes back after that many seconds."""

    def reboot(self) -> None:
        """Restart soon."""
