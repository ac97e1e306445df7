"""`[[device.object]]`: further objects of a device, described by their values."""

from typing import Annotated, Any

from pydantic import Field

from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.objects.data import DataTemplate, Wave
from lwm2m_ml_simulator.scenario.values import Number, PositiveDuration, Scalar, Table

Id = Annotated[int, Field(ge=0, le=65_534)]
ResourceKey = Annotated[str, Field(pattern=r"^\d{1,5}$")]
_MADE_BY_THE_CLIENT = frozenset({0, 1, 3, 5, 9, 21, 42769, 42770, 42771, 42772})


class WaveTable(Table):
    """`5700 = { mean = 21.5, amplitude = 3, period = "1d", noise = 0.1 }`: a value that swings."""

    mean: Number
    amplitude: Number = 0.0
    period: PositiveDuration = 86_400.0
    noise: Annotated[Number, Field(ge=0)] = 0.0


class ObjectTable(Table):
    """An instance of an object, with values, waves, or lists of resource instances, by resource id."""

    id: Id
    instance: Id = 0
    version: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None
    resources: dict[ResourceKey, WaveTable | Scalar | list[Scalar]] = Field(default_factory=dict)
    writable: list[Id] = Field(default_factory=list)
    executable: list[Id] = Field(default_factory=list)
    every: PositiveDuration = 60.0

    def template(self) -> DataTemplate:
        """Return the facts of this table; raises InvalidFleet."""
        if self.id in _MADE_BY_THE_CLIENT:
            raise InvalidFleet(f"object {self.id} is the simulator's own", hint="Claim other values with `claims`")
        values: dict[int, Any] = {}
        waves: dict[int, Wave] = {}
        for key, value in self.resources.items():
            if isinstance(value, WaveTable):
                waves[int(key)] = Wave(**value.model_dump())
            else:
                values[int(key)] = dict(enumerate(value)) if isinstance(value, list) else value
        return DataTemplate(
            self.id,
            self.instance,
            self.version,
            values,
            waves,
            frozenset(self.writable),
            frozenset(self.executable),
            self.every,
        )
