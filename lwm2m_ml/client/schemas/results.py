"""What devices infer, by themselves and when asked."""

from typing import Annotated

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema


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
