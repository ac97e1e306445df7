"""Fit and device types as JSON."""

from typing import Annotated

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema

Name = Annotated[str, Field(max_length=128)]
Pattern = Annotated[str, Field(max_length=256)]
Bytes = Annotated[int, Field(gt=0, le=1 << 32)]


class FitRequest(Schema):
    """Look at every way to put a model on devices, or on a bare target.

    Without `endpoint`, `group`, `filter` and `target` it is about every registered device. Accuracy in percent at
    least; milliseconds, joules and bytes at most.
    """

    model: Name
    version: Name | None = None
    endpoint: Annotated[str, Field(max_length=256)] | None = None
    group: Name | None = None
    filter: Annotated[str, Field(max_length=2000)] | None = None
    target: Name | None = None
    minimum_accuracy: Annotated[float | None, Field(ge=0, le=100)] = None
    maximum_latency: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    maximum_energy: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    maximum_bytes: Bytes | None = None


class Option(Schema):
    """One way to put a model on a device. Sizes in bytes, latency in ms, energy in J; None where nobody measured.

    `cached`: nothing had to be compiled to know. `changes` name the nearest change that would help, one per shortfall.
    """

    variant: str
    backend: str
    plan: str
    accuracy: float | None
    flash_bytes: int | None
    ram_bytes: int | None
    package_bytes: int | None
    instructions: int | None
    latency: float | None
    energy: float | None
    cached: bool
    fits: bool
    shortfalls: list[str]
    changes: list[str]


class Survey(Schema):
    """The answer for devices that are alike: every option, the chosen one, and why it."""

    endpoints: list[str]
    target: str
    options: list[Option]
    chosen: Option | None
    reason: str


class FitAnswer(Schema):
    """One survey for each kind of device, and how many compilations they took."""

    model: str
    version: str
    surveys: list[Survey]
    compilations: int
    unknown: list[str]
    """Devices of which nothing is known, or that have no runtime."""


class DeviceType(Schema):
    """What an operator says of devices with the standard objects alone.

    Manufacturer, model number and hardware version (object 3) are patterns such as `ACME*`. Sizes in bytes, clock in
    Hz; `storage_bytes` is the room for one module, of which the device has `slots`.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    target: Name
    storage_bytes: Bytes
    memory_bytes: Bytes
    manufacturer: Pattern = "*"
    model_number: Pattern = "*"
    hardware_version: Pattern = "*"
    slots: Annotated[int, Field(ge=1, le=16)] = 1
    clock_hz: Annotated[float | None, Field(gt=0, le=1e11)] = None
