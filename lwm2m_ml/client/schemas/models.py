"""Models of the zoo, and what their integer reference answers."""

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema


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


class ReferenceRequest(Schema):
    """Inputs (one list of numbers per input, flattened) for the integer reference of a variant."""

    inputs: list[list[float]]


class ReferenceAnswers(Schema):
    """The integer outputs of the reference, one flattened list per input, and how to read them."""

    outputs: list[list[int]]
    scale: float
    zero_point: int
