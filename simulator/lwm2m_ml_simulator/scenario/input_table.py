"""`input`: what a device's sensor sees."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from lwm2m_ml_simulator.inputs.digits import Digits
from lwm2m_ml_simulator.inputs.files import load_inputs
from lwm2m_ml_simulator.inputs.gestures import Gestures
from lwm2m_ml_simulator.inputs.stream import Source
from lwm2m_ml_simulator.inputs.vibration import Vibration
from lwm2m_ml_simulator.scenario.values import Number, Share, Table


class InputKind(StrEnum):
    """The sources that are shipped, and the user's own files."""

    DIGITS = "digits"
    VIBRATION = "vibration"
    GESTURES = "gestures"
    FILE = "file"


class InputTable(Table):
    """`input = { kind = "vibration", drift = 0.5 }`, or `input = { kind = "file", path = "mine.npz" }`.

    Paths are relative to the scenario file. With `in_order` inputs come one after the other, not at random.
    """

    kind: InputKind = Field(default=InputKind.DIGITS, strict=False)
    drift: Annotated[Number, Field(ge=0)] = 0.0
    anomalies: Share = 0.05
    path: str | None = None
    in_order: bool = False

    @model_validator(mode="after")
    def _path_belongs_to_files(self) -> "InputTable":
        if (self.kind is InputKind.FILE) != (self.path is not None):
            raise ValueError("`path` belongs to the kind file, and the kind file needs it")
        return self

    def source(self, folder: Path) -> Source:
        """Return the source; a file is read from `folder` and may raise InvalidInputs."""
        if self.path is not None:
            return load_inputs(folder / self.path, shuffled=not self.in_order)
        made: dict[InputKind, Callable[[], Source]] = {
            InputKind.DIGITS: Digits,
            InputKind.VIBRATION: lambda: Vibration(self.anomalies),
            InputKind.GESTURES: Gestures,
        }
        return made[self.kind]()
