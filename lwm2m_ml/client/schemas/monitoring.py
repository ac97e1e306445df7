"""What travels about models in the field between the API and its clients. Times are Unix seconds."""

from typing import Any

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema


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
    series: int = Field(default=0, description="Series of that number, 0 where the device tells none")
    bytes: int
    captured_at: float


class ClassHour(Schema):
    """The results of one class (-1: no decision) in one hour, over all devices that were asked for.

    Means: confidence in percent, latency in milliseconds, energy in joules.
    """

    hour: int = Field(description="When the hour began, Unix seconds")
    model: str
    version: str
    class_index: int
    results: int
    lost: int = Field(description="Results whose numbers are missing")
    confidence: float | None
    latency: float | None
    largest_latency: float | None
    energy: float | None


class FeedbackRequest(Schema):
    """What a result should have been: the true class, by its number or its label."""

    number: int = Field(ge=0, le=2**63 - 1, description="Number of the result")
    true_class: int | str
    series: int | None = Field(
        default=None, ge=0, le=2**63 - 1, description="Series of the number; without it the newest result is meant"
    )


class Feedback(Schema):
    """Feedback as it is counted; `decided` is the class of the model, -1 for no decision."""

    endpoint: str
    model: str
    version: str
    number: int
    series: int = 0
    decided: int
    true_class: int
    given_by: str
    given_at: float


class ModelAccuracy(Schema):
    """How often a version of a model was right in the field, with the 95 % confidence interval; shares 0 to 1."""

    model: str
    version: str
    judged: int
    right: int
    share: float
    low: float
    high: float
