"""What every schema is, errors as RFC 9457 problem details, and parts of lists."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Schema(BaseModel):
    """A frozen JSON object; a client ignores members that a newer server adds."""

    model_config = ConfigDict(frozen=True)


Item = TypeVar("Item")


Plain = str | int | float | bool
"""A value in JSON: opaque in base64, links `"3:0"`, times Unix seconds. Any value may also be given as its text."""


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
