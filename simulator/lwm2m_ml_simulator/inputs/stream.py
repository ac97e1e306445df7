"""Endless inputs for one sensor, drawn from a source, with a drift that can be switched on while it runs."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy
from numpy.typing import NDArray

FloatArray = NDArray[numpy.float32]
UNKNOWN = -1
"""The label of an input whose class nobody knows."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One input, float32 of the source's shape, and the index of its true label."""

    values: FloatArray
    label: int = UNKNOWN


class Source(Protocol):
    """Where inputs come from. `shape` begins with 1, the batch; channels follow."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""

    def sample(self, generator: numpy.random.Generator, drift: float) -> Sample:
        """Draw one input; `drift` says how far the world has moved since the model was made, 0 is not at all."""


class SensorStream:
    """The inputs of one device, the same for the same seed. `drift` may change at any time."""

    def __init__(self, source: Source, seed: int, *, drift: float = 0.0) -> None:
        self.source = source
        self.drift = drift
        self.shown = array("h")
        """The true label of each input so far."""
        self._seed = seed
        self._generator: numpy.random.Generator | None = None

    def __iter__(self) -> Iterator[FloatArray]:
        return self

    def __next__(self) -> FloatArray:
        if self._generator is None:  # Most devices of a large fleet never infer; a generator takes 3 kB.
            self._generator = numpy.random.Generator(numpy.random.PCG64(self._seed))
        sample = self.source.sample(self._generator, self.drift)
        self.shown.append(sample.label)
        return sample.values


def dataset(
    source: Source, count: int, seed: int, *, drift: float = 0.0
) -> tuple[NDArray[numpy.float32], NDArray[numpy.int64]]:
    """Draw `count` inputs for training or tests: values float32 [count, *shape without the 1], labels int64 [count]."""
    stream = SensorStream(source, seed, drift=drift)
    values = numpy.concatenate([next(stream) for _ in range(count)])
    return values, numpy.asarray(stream.shown, dtype=numpy.int64)
