"""Object 3, Device: who made it, what it is, and how to reboot it (Core TS §E.4)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from lwm2m_ml_simulator.objects.base import Arguments, ObjectInstance, executable, readable


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """What a device says of itself."""

    manufacturer: str = "lwm2m-ml"
    model_number: str = "simulated"
    serial_number: str = "0"
    firmware_version: str = "1.0.0"
    hardware_version: str = "1"


class Device(ObjectInstance):
    """The device itself. `on_reboot` is called when a server executes Reboot, after the answer has left."""

    object_id = 3

    def __init__(self, identity: DeviceIdentity, *, binding: str = "U", clock: Callable[[], float] = time.time) -> None:
        super().__init__(0)
        self._clock = clock
        self.identity = identity
        self.on_reboot: Callable[[], None] = lambda: None
        self._binding = binding

    @readable(0)
    def manufacturer(self) -> str:
        """Manufacturer."""
        return self.identity.manufacturer

    @readable(1)
    def model_number(self) -> str:
        """Model Number."""
        return self.identity.model_number

    @readable(2)
    def serial_number(self) -> str:
        """Serial Number."""
        return self.identity.serial_number

    @readable(3)
    def firmware_version(self) -> str:
        """Firmware Version."""
        return self.identity.firmware_version

    @executable(4)
    def reboot(self, arguments: Arguments) -> None:
        """Reboot."""
        self.on_reboot()

    @readable(11)
    def error_codes(self) -> dict[int, int]:
        """Error Code: 0, no error."""
        return {0: 0}

    @readable(13)
    def current_time(self) -> int:
        """Current Time."""
        return int(self._clock())

    @readable(16)
    def supported_binding(self) -> str:
        """Supported Binding and Modes."""
        return self._binding

    @readable(17)
    def device_type(self) -> str:
        """Device Type."""
        return "simulated MCU"

    @readable(18)
    def hardware_version(self) -> str:
        """Hardware Version."""
        return self.identity.hardware_version
