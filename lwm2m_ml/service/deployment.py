"""A deployment: one model on its way to a set of devices; the states a device goes through, as a table."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class DeviceState(StrEnum):
    """Where one device of a deployment stands."""

    PENDING = "pending"
    FITTING = "fitting"
    BUILDING = "building"
    DELIVERING = "delivering"
    TRIAL = "trial"
    ACTIVE = "active"
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing more happens to the device."""
        return not NEXT_STATES[self]


# Which state may follow which. `refused` is an honest no before anything was sent, `failed` everything that went wrong.
# A device in trial goes back to `delivering` when the module turns out not to be there any more.
NEXT_STATES: Mapping[DeviceState, frozenset[DeviceState]] = {
    DeviceState.PENDING: frozenset({DeviceState.FITTING, DeviceState.FAILED}),
    DeviceState.FITTING: frozenset({DeviceState.BUILDING, DeviceState.REFUSED, DeviceState.FAILED}),
    DeviceState.BUILDING: frozenset({DeviceState.DELIVERING, DeviceState.REFUSED, DeviceState.FAILED}),
    DeviceState.DELIVERING: frozenset({DeviceState.TRIAL, DeviceState.ACTIVE, DeviceState.FAILED}),
    DeviceState.TRIAL: frozenset({DeviceState.ACTIVE, DeviceState.DELIVERING, DeviceState.FAILED}),
    DeviceState.ACTIVE: frozenset(),
    DeviceState.REFUSED: frozenset(),
    DeviceState.FAILED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class DeploymentDevice:
    """One device of a deployment. Sizes in bytes; instructions are per inference; None until it is known."""

    endpoint: str
    target: str = ""
    state: DeviceState = DeviceState.PENDING
    reason: str = ""
    variant: str | None = None
    module_digest: str | None = None
    module_bytes: int | None = None
    ram_bytes: int | None = None
    instructions: int | None = None
    ota_bytes: int | None = None
    ota_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One rollout of a model to a set of devices, as it stands now."""

    id: str
    model: str
    version: str
    created_at: float
    devices: tuple[DeploymentDevice, ...]

    @property
    def finished(self) -> bool:
        """Whether every device is in a final state."""
        return all(device.state.final for device in self.devices)

    def device(self, endpoint: str) -> DeploymentDevice:
        """Return the row of a device."""
        return next(device for device in self.devices if device.endpoint == endpoint)

    def with_device(self, changed: DeploymentDevice) -> "Deployment":
        """Return the deployment with the row of one device replaced; raises `ValueError` for an impossible step."""
        current = self.device(changed.endpoint).state
        if changed.state is not current and changed.state not in NEXT_STATES[current]:
            raise ValueError(f"{changed.endpoint} cannot go from {current} to {changed.state}")
        devices = tuple(changed if device.endpoint == changed.endpoint else device for device in self.devices)
        return dataclasses.replace(self, devices=devices)


@dataclass(frozen=True, slots=True)
class DeploymentChanged:
    """Told on the bus after a device of a deployment changed."""

    deployment_id: str
    device: DeploymentDevice
