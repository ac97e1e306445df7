"""Updates in, the next parameters out. `Aggregator` is what another way of adding up has to be.

Secure aggregation (K. Bonawitz et al., CCS 2017) belongs here: its aggregator gets masked vectors, whose masks cancel
in the sum, and needs `add` and `finish` only. It has to turn off what looks at a single update: the length that
`Round` compares with the clipping norm, and weights by examples.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float32]
Doubles = NDArray[numpy.float64]


class Aggregator(Protocol):
    """Adds up the updates of one round."""

    def add(self, delta: Floats, examples: int) -> None:
        """Take one update in."""

    def finish(self) -> Doubles:
        """Return how far the parameters are to go; called once, when at least one update was taken."""


@dataclass(slots=True)
class WeightedMean:
    """The mean of the updates, each as often as it has examples (B. McMahan et al., AISTATS 2017, algorithm 1)."""

    parameters: int
    _sum: Doubles = field(init=False)
    _weight: int = 0

    def __post_init__(self) -> None:
        self._sum = numpy.zeros(self.parameters)

    def add(self, delta: Floats, examples: int) -> None:
        """Take one update in."""
        weight = max(1, examples)
        self._sum += weight * delta.astype(numpy.float64)
        self._weight += weight

    def finish(self) -> Doubles:
        """The mean."""
        return self._sum / self._weight


@dataclass(slots=True)
class NoisyMean:
    """The sum of updates of at most `clip`, with Gaussian noise, over the number of devices that was expected.

    Every device counts the same, so none moves the sum by more than `clip`; the noise has the standard deviation
    `multiplier` × `clip` (B. McMahan et al., Learning Differentially Private Recurrent Language Models, ICLR 2018,
    algorithm 1 with the fixed denominator).
    """

    parameters: int
    clip: float
    multiplier: float
    expected: float
    generator: numpy.random.Generator
    _sum: Doubles = field(init=False)

    def __post_init__(self) -> None:
        self._sum = numpy.zeros(self.parameters)

    def add(self, delta: Floats, examples: int) -> None:
        """Take one update in."""
        self._sum += delta.astype(numpy.float64)

    def finish(self) -> Doubles:
        """The noisy mean."""
        noise = self.generator.normal(0.0, self.multiplier * self.clip, self.parameters)
        return (self._sum + noise) / max(1.0, self.expected)


def moved(
    parameters: Floats, velocity: Floats, step: Doubles, *, rate: float, momentum: float
) -> tuple[Floats, Floats]:
    """The parameters and the server's velocity after a round: v ← μ v + step, w ← w + η v (FedAvgM)."""
    with numpy.errstate(over="ignore"):
        faster = momentum * velocity.astype(numpy.float64) + step
        further = parameters.astype(numpy.float64) + rate * faster
        return further.astype(numpy.float32), faster.astype(numpy.float32)
