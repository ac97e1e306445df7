"""The inputs of known class that a device keeps to learn from. They lie in its flash, and nothing gives them away."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lwm2m_ml_simulator.processor.machine import FloatArray

CAPACITY = 256


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One input in real values, and the number of its class."""

    values: FloatArray
    true_class: int


class ExampleStore:
    """The newest examples, at most `capacity` of them."""

    def __init__(self, examples: Iterable[Example] = (), *, capacity: int = CAPACITY) -> None:
        self._examples: deque[Example] = deque(examples, maxlen=capacity)

    def add(self, example: Example) -> None:
        """Keep one more; the oldest one goes when there is no room."""
        self._examples.append(example)

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(tuple(self._examples))
