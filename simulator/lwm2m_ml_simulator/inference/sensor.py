"""The outside world as a device sees it: an endless, or ending, stream of inputs."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy

from lwm2m_ml_simulator.processor.machine import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One input of the stream, and its place in it."""

    index: int
    values: FloatArray


class Sensor:
    """The stream; it goes on whether the device is switched on or not."""

    def __init__(self, stream: Iterable[FloatArray]) -> None:
        self._stream: Iterator[FloatArray] = iter(stream)
        self._next = 0

    def read(self) -> Frame | None:
        """Return the next frame, None at the end."""
        image = next(self._stream, None)
        if image is None:
            return None
        index, self._next = self._next, self._next + 1
        return Frame(index, numpy.asarray(image, dtype=numpy.float32))


class SharedSensor:
    """One sensor for all models that run: each sees every frame at most once, and none is read before it is needed."""

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor
        self._frame: Frame | None = None
        self._unseen: set[int] = set()

    def read(self, slot: int, others: Collection[int]) -> Frame | None:
        """Return the frame that others saw already, else the next one; None at the end.

        `others`: the slots whose models run too, who may look at a new frame later.
        """
        if slot not in self._unseen:
            self._frame = self._sensor.read()
            self._unseen = set(others)
        self._unseen.discard(slot)
        return self._frame
