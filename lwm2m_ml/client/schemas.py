"""What travels between the operator's API and its clients, as JSON: one frozen model per noun."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Schema(BaseModel):
    """A frozen JSON object; a client ignores members that a newer server adds."""

    model_config = ConfigDict(frozen=True)


Item = TypeVar("Item")


class InvalidField(Schema):
    """One member of a request that was not as it has to be, such as `body.model`."""

    field: str
    detail: str


class Problem(Schema):
    """An error as RFC 9457 problem details; `device_code` is what a device answered, such as `4.04`."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    hint: str = ""
    device_code: str = ""
    errors: list[InvalidField] = Field(default_factory=list)


class Page(Schema, Generic[Item]):
    """A part of a list; `next` is the cursor of the part that follows, None when this is the last."""

    items: list[Item]
    next: str | None = None


class Health(Schema):
    """Whether the server works (`ok`, or `degraded` by its problems), and where devices reach it."""

    status: str
    version: str
    coap: str
    problems: list[str] = []


class Readiness(Schema):
    """That the server takes work; while it does not, the answer is a problem."""

    ready: bool


class TrustAnchor(Schema):
    """The public key that devices check modules with, and the one that signs lists of such keys, as PEM.

    The root may be kept elsewhere; then it is not told.
    """

    pem: str
    root_pem: str | None = None


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


class ResourceValue(Schema):
    """One value read from a device: opaque values are base64, object links `"3:0"`, times Unix seconds."""

    path: str
    type: str
    value: str | int | float | bool | None
    timestamp: float | None = None


Plain = str | int | float | bool
"""A value in JSON: opaque in base64, links `"3:0"`, times Unix seconds. Any value may also be given as its text."""


class ValueToWrite(Schema):
    """The value of one resource or resource instance."""

    value: Plain


class ValuesToWrite(Schema):
    """Values by path, such as `{"/1/0/1": 300, "/32770/0/10/0": "one"}`."""

    values: Annotated[dict[str, Plain], Field(min_length=1, max_length=1024)]


class InstanceToCreate(Schema):
    """Values of a new object instance by resource (`"1"`, `"10/0"`); without a number the device chooses one."""

    instance: int | None = Field(default=None, ge=0, lt=65535)
    values: Annotated[dict[str, Plain], Field(max_length=1024)] = Field(default_factory=dict)


class Created(Schema):
    """Where a new object instance is."""

    path: str


class Link(Schema):
    """A path that a device told of in a Discover, with its attributes; one without a value is None."""

    path: str
    attributes: dict[str, str | None]


class AttributesToWrite(Schema):
    """Notification attributes to set, by the names of the specification (`pmin`, `gt`, …), and to clear."""

    set: dict[str, int | float | bool] = Field(default_factory=dict)
    clear: list[str] = Field(default_factory=list)


class PathsToRead(Schema):
    """Paths for a Read-Composite."""

    paths: Annotated[list[str], Field(min_length=1, max_length=1024)]


class ExecuteArguments(Schema):
    """Arguments of an Execute as the specification writes them, such as `0='reboot',1`."""

    arguments: str = ""


class RequestToQueue(Schema):
    """An operation to do as soon as the device is awake: writes and creates have values by path, the others paths."""

    operation: Literal[
        "read",
        "write",
        "write-attributes",
        "execute",
        "discover",
        "create",
        "delete",
        "read-composite",
        "write-composite",
    ]
    paths: Annotated[list[str], Field(max_length=1024)] = Field(default_factory=list)
    values: Annotated[dict[str, Plain], Field(max_length=1024)] = Field(default_factory=dict)
    replace: bool = True
    arguments: str = ""
    attributes: list[str] = Field(default_factory=list)
    expires_in: float | None = Field(default=None, gt=0, le=31_536_000, description="seconds; a week if not given")


class DeviceRequest(Schema):
    """A queued operation: `state` is waiting, sent, done, failed, unknown, expired or cancelled.

    `unknown`: it was sent, no answer came, and it is not repeated because nobody knows whether the device acted.
    """

    number: int
    endpoint: str
    operation: str
    paths: list[str]
    state: str
    created_at: float
    expires_at: float
    ended_at: float | None
    values: list[ResourceValue]
    text: str
    error: str


class Variant(Schema):
    """A model at one size or precision; accuracy in percent as its card states it, None when not measured."""

    name: str
    weights: int
    macs: int
    accuracy: float | None
    digest: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)


class Model(Schema):
    """A model of the zoo."""

    name: str
    version: str
    description: str
    licence: str
    labels: list[str]
    variants: list[Variant]
    preprocessing: str = ""
    data: str = ""
    aliases: list[str] = Field(default_factory=list)


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


class Result(Schema):
    """One inference as a device reported it; scores and confidence in percent, latency in ms, energy in joules.

    Model and version are empty while it is not known which module made it; `lost` results before it never came.
    """

    id: int = Field(description="Its place among all results; grows")
    series: int = Field(default=0, description="Which numbering the number belongs to, 0 where the device tells none")
    number: int
    slot: int
    model: str
    version: str
    lost: int
    class_index: int
    label: str
    confidence: float | None
    scores: list[float]
    latency: float | None
    energy: float | None
    received_at: float


class InferenceRequest(Schema):
    """An input for the model that a device runs, flattened."""

    input: Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1, max_length=1_000_000)]


class Inference(Schema):
    """What a device answered to an input. Scores in percent, latency in ms at its clock; outputs are its integers.

    Instructions are None on a device that does not count them.
    """

    endpoint: str
    model: str
    version: str
    variant: str
    class_index: int
    label: str
    scores: list[float]
    outputs: list[int]
    instructions: int | None
    latency: float | None


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


class ReferenceRequest(Schema):
    """Inputs (one list of numbers per input, flattened) for the integer reference of a variant."""

    inputs: list[list[float]]


class ReferenceAnswers(Schema):
    """The integer outputs of the reference, one flattened list per input, and how to read them."""

    outputs: list[list[int]]
    scale: float
    zero_point: int


class Job(Schema):
    """Long work: `state` is running, done, failed or cancelled; `progress` from 0 to 1. Times are Unix seconds."""

    id: str
    kind: str
    subject: str
    caller: str
    state: str
    progress: float
    activity: str
    created_at: float
    ended_at: float | None
    result: Any
    error: str


class TokenRequest(Schema):
    """An API token to be made; it ends after `expires_in` seconds, if given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1, max_length=128)
    scope: Literal["viewer", "operator", "admin"] = "viewer"
    expires_in: float | None = Field(default=None, gt=0, le=315_360_000)


class Token(Schema):
    """An API token without what is secret of it."""

    id: str
    label: str
    scope: str
    created_at: float
    expires_at: float | None


class IssuedToken(Schema):
    """A new API token, which is never shown again."""

    token: Token
    secret: str = Field(repr=False)


class CallerFacts(Schema):
    """Who the server takes a caller for."""

    name: str
    scope: str


class Act(Schema):
    """One entry of the audit log: `action` is method and route, `target` the path, `status` that of the answer."""

    id: int
    at: float
    caller: str
    scope: str
    address: str
    action: str
    endpoint: str | None
    target: str
    status: int
    request_id: str


class Event(Schema):
    """Something that happened. `data` depends on the type; a `gap` says that events before this one were missed."""

    id: str
    type: str
    at: float
    endpoint: str | None
    data: dict[str, Any]


class CompilationRequest(Schema):
    """A variant of a model of the zoo, and the target to compile it for."""

    model: str = Field(min_length=1, max_length=128)
    variant: str = Field(min_length=1, max_length=128)
    target: str = Field(min_length=1, max_length=128)


class ExplanationRequest(Schema):
    """A variant of a model of the zoo, in a version or its champion, and the target to explain it on."""

    model: str = Field(min_length=1, max_length=128)
    version: str | None = Field(default=None, max_length=64)
    variant: str = Field(min_length=1, max_length=128)
    target: str = Field(min_length=1, max_length=128)


class ExplainedLayer(Schema):
    """One layer: its kernel, the bytes of its constants and of the arena in use, instructions for one inference."""

    operation: str
    kernel: str
    result_shape: list[int]
    macs: int
    weight_bytes: int
    ram_bytes: int
    instructions: int


class ArenaBuffer(Schema):
    """A piece of the arena, needed from one step to another; layers are the steps from 1 on."""

    name: str
    offset: int
    bytes: int
    first_use: int
    last_use: int


class Explanation(Schema):
    """The result of an explanation: sizes in bytes; `archive` is the digest of the module's files."""

    target: str
    variant: str
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    lower_bound_arena_bytes: int
    instructions: int | None
    macs: int
    exact: bool | None
    layers: list[ExplainedLayer]
    peak_layer: int
    buffers: list[ArenaBuffer]
    archive: str
    archive_bytes: int


class Target(Schema):
    """A microcontroller or core that modules can be made for. Bytes, and Hz for the clock."""

    name: str
    title: str
    core: str
    is_core: bool
    flash_bytes: int | None
    ram_bytes: int | None
    clock_hz: float | None


class ObjectSummary(Schema):
    """An LwM2M object that the server has a definition of, in its newest version."""

    id: int
    name: str
    version: str
    urn: str


class ResourceDefinition(Schema):
    """A resource of an object: `operations` holds R, W and E."""

    id: int
    name: str
    operations: str
    type: str
    multiple: bool
    mandatory: bool
    range: str
    units: str
    description: str


class ObjectDefinition(Schema):
    """The definition of an object."""

    id: int
    name: str
    version: str
    urn: str
    multiple: bool
    mandatory: bool
    description: str
    versions: list[str]
    resources: list[ResourceDefinition]
