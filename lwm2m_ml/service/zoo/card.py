"""Reads `card.toml`, which describes a model that ships with the project, and checks the files it names."""

import hashlib
import tomllib
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.service.zoo.model import Calibration, Model, Variant

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MAXIMUM_CARD_BYTES = 64 << 10


class CardError(InvalidInputError):
    """A model card, or a file that it names, is not as it should be."""


class _Part(BaseModel):
    """A table of the card; what this release does not know is left to people who read the card."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class VariantCard(_Part):
    """One variant: its file and what was measured."""

    name: str = Field(pattern=NAME)
    file: str = Field(pattern=NAME)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    weights: int = Field(gt=0)
    macs: int = Field(ge=0)
    test_accuracy_percent: float | None = Field(default=None, ge=0, le=100)
    metrics: dict[str, float] = Field(default_factory=dict, max_length=64)


class CalibrationCard(_Part):
    """The calibration inputs."""

    file: str = Field(pattern=NAME)
    array: str = Field(max_length=64)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class InputCard(_Part):
    """What the model is given."""

    preprocessing: str = Field(default="", max_length=500)


class DataCard(_Part):
    """What the model was trained and tested on."""

    name: str = Field(default="", max_length=200)
    source: str = Field(default="", max_length=500)


class Card(_Part):
    """The whole card."""

    name: str = Field(pattern=NAME)
    version: str = Field(pattern=NAME)
    description: str = Field(default="", max_length=2000)
    licence: str = Field(default="", max_length=100)
    labels: tuple[str, ...] = Field(default=(), max_length=1000)
    variants: tuple[VariantCard, ...] = Field(min_length=1, max_length=32)
    calibration: CalibrationCard | None = None
    input: InputCard = InputCard()
    data: DataCard = DataCard()


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model together with the contents of its files, by digest."""

    model: Model
    files: dict[str, bytes]


def read_card(text: str, *, where: str) -> Card:
    """Read a card; raises `CardError` naming the first thing that is wrong."""
    if len(text) > MAXIMUM_CARD_BYTES:
        raise CardError(f"The card of {where} is larger than {MAXIMUM_CARD_BYTES:,} B")
    try:
        return Card.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"The card of {where} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CardError(f"The card of {where} is wrong at {place}: {first['msg']}") from error


def read_model(folder: Traversable) -> ModelFiles:
    """Read a model's folder: its card and all files the card names, each with the digest that the card states."""
    card = read_card((folder / "card.toml").read_text("utf-8"), where=folder.name)
    files: dict[str, bytes] = {}
    for part in (*card.variants, card.calibration):
        if part is not None:
            files[part.sha256] = _read_file(folder / part.file, part.sha256)
    model = Model(
        name=card.name,
        version=card.version,
        description=card.description,
        licence=card.licence,
        labels=card.labels,
        variants=tuple(
            Variant(v.name, v.sha256, v.weights, v.macs, accuracy=v.test_accuracy_percent, metrics=v.metrics)
            for v in card.variants
        ),
        calibration=None if card.calibration is None else Calibration(card.calibration.sha256, card.calibration.array),
        preprocessing=card.input.preprocessing,
        data=f"{card.data.name}; {card.data.source}".strip("; "),
    )
    return ModelFiles(model, files)


def _read_file(file: Traversable, digest: str) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CardError(f"{file.name} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise CardError(f"{file.name} is not the file that its card was written for: the digest differs")
    return content
