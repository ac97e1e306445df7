"""Registered devices, the fleet that they are, and what became of them."""

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema


class Profile(Schema):
    """What a device said it can do, from its objects 42769 and 3. Bytes, and Hz for the clock."""

    target: str
    instruction_set: list[str]
    clock_hz: float | None
    storage_total: int
    storage_free: int
    maximum_module_size: int
    memory_total: int
    module_formats: list[int]
    manufacturer: str
    model_number: str


class Device(Schema):
    """A registered device; `profile` is absent when it reported no ML runtime or was not read yet.

    `running` names models with their versions, as the device told last; `alarms` counts those that are open.
    """

    endpoint: str
    address: str
    lwm2m_version: str
    binding: str
    lifetime: int
    registered_at: float
    last_seen: float
    objects: list[str]
    profile: Profile | None
    running: list[str] = Field(default_factory=list)
    alarms: int = 0


class Fleet(Schema):
    """All registered devices, counted. `late` have not renewed their registration in time but may still.

    `idle` have an ML runtime and run nothing. Targets and models (with versions) by the number of their devices.
    """

    devices: int
    runtimes: int
    idle: int
    late: int
    alarmed: int
    alarms: int
    targets: dict[str, int]
    running: dict[str, int]


class HistoryEvent(Schema):
    """Something that happened to a device, at a Unix time."""

    at: float
    what: str
    detail: str


class TrafficBin(Schema):
    """Bytes of CoAP from and to a device within five minutes from `at` on."""

    at: float
    bytes_in: int
    bytes_out: int


class DeviceHistory(Schema):
    """What became of a device lately, the oldest first, and its traffic of the last four hours."""

    events: list[HistoryEvent]
    traffic: list[TrafficBin]


class LoggedMessage(Schema):
    """One CoAP message: `inbound` from the device, sizes in bytes, `payload` the beginning in hexadecimal."""

    number: int
    at: float
    inbound: bool
    type: str
    code: str
    message_id: int
    token: str
    path: str
    content_format: int | None
    observe: int | None
    size: int
    payload_bytes: int
    payload: str
