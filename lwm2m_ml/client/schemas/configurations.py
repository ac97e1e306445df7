"""How models on a device are wired (object 513), as it travels between the API and its clients."""

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema

MAXIMUM_WIRES = 16
MAXIMUM_TEXT = 512


class Wire(Schema):
    """One input or output of a model: where it comes from or goes to, and what is made of it on the way."""

    label: str = Field(max_length=MAXIMUM_TEXT, description="Input or output of the model, or a name in expressions")
    link: str = Field(
        default="", max_length=MAXIMUM_TEXT, description="CoRE link, such as </42771/0>; empty for the own sensor"
    )
    transform: str = Field(default="", max_length=MAXIMUM_TEXT, description="Expression; empty for none")


class ModelConfiguration(Schema):
    """One slot of a device; the model is empty where there is none, or it is not told."""

    slot: int
    model: str
    version: str
    enabled: bool
    inputs: list[Wire]
    outputs: list[Wire]
    condition: str


class ConfigurationChange(Schema):
    """What is to change; what is left out stays."""

    inputs: list[Wire] | None = Field(default=None, min_length=1, max_length=MAXIMUM_WIRES)
    outputs: list[Wire] | None = Field(default=None, min_length=1, max_length=MAXIMUM_WIRES)
    condition: str | None = Field(default=None, max_length=MAXIMUM_TEXT, description="Expression; empty for none")
    enabled: bool | None = None
