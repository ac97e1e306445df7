"""Models to add to the zoo, and what names them, as JSON."""

from typing import Annotated

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(max_length=2_000)]


class StoredFile(Schema):
    """A file that models may be made of, by its SHA-256 digest."""

    digest: str
    bytes: int


class VariantToAdd(Schema):
    """One variant: the digest of its file and what was measured. Accuracy in percent."""

    name: Name
    digest: Digest
    macs: Annotated[int, Field(ge=0)] = 0
    accuracy: Annotated[float | None, Field(ge=0, le=100)] = None
    metrics: Annotated[dict[str, float], Field(max_length=64)] = Field(default_factory=dict)


class CalibrationToAdd(Schema):
    """Inputs for the quantiser: the digest of an `.npz` file and the name of the array in it."""

    digest: Digest
    array: Annotated[str, Field(max_length=64)]


class ModelToAdd(Schema):
    """A new version of a model; its files have been stored before."""

    name: Name
    version: Name
    variants: Annotated[list[VariantToAdd], Field(min_length=1, max_length=32)]
    description: Text = ""
    licence: Annotated[str, Field(max_length=100)] = ""
    labels: Annotated[list[str], Field(max_length=1000)] = Field(default_factory=list)
    preprocessing: Text = ""
    data: Text = ""
    calibration: CalibrationToAdd | None = None


class AliasToSet(Schema):
    """The version that an alias names; another alias will do."""

    version: Name
