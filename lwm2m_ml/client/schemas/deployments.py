"""Models put on devices, and the modules that were built for it."""

from typing import Any

from lwm2m_ml.client.schemas.shape import Schema


class DeploymentRequest(Schema):
    """Put a model on devices: `endpoints` is a list, or `"all"` for every registered device."""

    model: str
    endpoints: list[str] | str = "all"


class DeploymentDevice(Schema):
    """One device of a deployment. Sizes in bytes; instructions are per inference."""

    endpoint: str
    target: str
    state: str
    reason: str
    variant: str | None
    module_digest: str | None
    module_bytes: int | None
    ram_bytes: int | None
    instructions: int | None
    ota_bytes: int | None
    ota_seconds: float | None


class Deployment(Schema):
    """One rollout of a model to a set of devices."""

    id: str
    model: str
    version: str
    created_at: float
    finished: bool
    devices: list[DeploymentDevice]


class Module(Schema):
    """A built module and the facts measured on the emulated MCU."""

    digest: str
    model: str
    version: str
    variant: str
    target: str
    package_bytes: int
    created_at: float
    facts: dict[str, Any]
