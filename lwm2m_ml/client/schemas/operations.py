"""What is read from devices, written to them, and asked of them later."""

from typing import Annotated, Literal

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Plain, Schema


class ResourceValue(Schema):
    """One value read from a device: opaque values are base64, object links `"3:0"`, times Unix seconds."""

    path: str
    type: str
    value: str | int | float | bool | None
    timestamp: float | None = None


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
