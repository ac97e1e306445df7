"""What travels about models in the field between the API and its clients. Times are Unix seconds."""

from typing import Any

from pydantic import Field

from lwm2m_ml.client.schemas import Schema


class Alarm(Schema):
    """Something that went wrong in the field; without `endpoint`, over all devices of the model."""

    id: str
    kind: str
    endpoint: str
    model: str
    version: str
    feature: str = Field(description="What the alarm is about: an input channel, or the class mix")
    message: str
    figures: dict[str, Any]
    raised_at: float
    cleared_at: float | None
    acknowledged_at: float | None
    acknowledged_by: str | None


class CaptureConsentRequest(Schema):
    """How many inputs a device may be asked for within 24 hours."""

    per_day: int = Field(ge=1, le=1_000)


class CaptureConsent(Schema):
    """A device that may be asked for inputs."""

    endpoint: str
    per_day: int
    granted_by: str
    granted_at: float


class CapturedInput(Schema):
    """An input that a device handed out; the input itself is in the data set of its model."""

    endpoint: str
    model: str
    version: str
    number: int | None = Field(description="Number of the result that the input led to")
    bytes: int
    captured_at: float
