"""Instances of any object, described by data: values that stand still, and values that change with time."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml_simulator.objects.base import Arguments, ResourceValue
from lwm2m_ml_simulator.objects.stored import StoredInstance


@dataclass(frozen=True, slots=True)
class Wave:
    """A value that swings: mean ± amplitude with a period in seconds, and normal noise on top."""

    mean: float
    amplitude: float = 0.0
    period: float = 86_400.0
    noise: float = 0.0

    def at(self, seconds: float, source: random.Random) -> float:
        """Return the value at a moment."""
        swing = self.amplitude * math.sin(2 * math.pi * seconds / self.period)
        return self.mean + swing + (source.gauss(0.0, self.noise) if self.noise else 0.0)


@dataclass(frozen=True, slots=True)
class DataTemplate:
    """An object instance of every device of a kind. `every` is how often its waves move, in seconds."""

    object_id: int
    instance_id: int = 0
    version: str | None = None
    values: Mapping[int, Value | Mapping[int, Value]] = field(default_factory=dict)
    waves: Mapping[int, Wave] = field(default_factory=dict)
    writable: frozenset[int] = frozenset()
    executable: frozenset[int] = frozenset()
    every: float = 60.0


class DataInstance(StoredInstance):
    """One such instance. `executed` counts what servers executed."""

    def __init__(self, template: DataTemplate, source: random.Random) -> None:
        super().__init__(template.instance_id, template.values)
        # One class serves every object here; what others have in their class, these have each.
        self.object_id = template.object_id  # type: ignore[misc]
        self.version = template.version  # type: ignore[misc]
        self.writable_ids = template.writable
        self.template = template
        self.executed = 0
        self._source = source
        self.move(0.0)

    def resources(self) -> tuple[int, ...]:
        """Return the resources that have a value or can be executed."""
        return tuple(sorted({*self.values, *self.template.executable}))

    def known(self) -> tuple[int, ...]:
        """Return the resources that have a value."""
        return tuple(sorted(self.values))

    def supports(self, operation: str, resource_id: int) -> bool:
        """Tell whether servers may do that."""
        if operation == "execute":
            return resource_id in self.template.executable
        return super().supports(operation, resource_id)

    async def execute(self, resource_id: int, arguments: Arguments) -> None:
        """Count it."""
        self.executed += 1

    def move(self, seconds: float) -> tuple[int, ...]:
        """Give the waves their values at a moment; returns which resources changed."""
        now: dict[int, ResourceValue] = {
            number: wave.at(seconds, self._source) for number, wave in self.template.waves.items()
        }
        changed = tuple(number for number, value in now.items() if self.values.get(number) != value)
        self.values.update(now)
        return changed
