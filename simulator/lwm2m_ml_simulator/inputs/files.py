"""Inputs from a file of the user's own: `.npy`, `.npz` or `.csv`."""

import zipfile
from pathlib import Path

import numpy
from numpy.typing import NDArray

from lwm2m_ml_simulator.errors import InvalidInputs
from lwm2m_ml_simulator.inputs.stream import UNKNOWN, Sample

MAXIMUM_BYTES = 1 << 30


class Recorded:
    """Inputs [n, ...] in the order of the file or at random, with labels [n] where there are some.

    Drift moves every value by that many standard deviations of the whole file.
    """

    def __init__(
        self,
        values: NDArray[numpy.float32],
        classes: NDArray[numpy.int64] | None = None,
        names: tuple[str, ...] = (),
        *,
        shuffled: bool = True,
    ) -> None:
        self._values = values
        self._classes = classes
        self.labels = names
        self.shape = (1, *values.shape[1:])
        self._shuffled = shuffled
        self._next = 0
        self._deviation = numpy.float32(values.std())

    def sample(self, generator: numpy.random.Generator, drift: float) -> Sample:
        """Draw one input, or take the next one."""
        if self._shuffled:
            index = int(generator.integers(len(self._values)))
        else:
            index, self._next = self._next, (self._next + 1) % len(self._values)
        values = self._values[index][numpy.newaxis] + numpy.float32(drift) * self._deviation
        return Sample(values, UNKNOWN if self._classes is None else int(self._classes[index]))


def load_inputs(path: Path, *, shuffled: bool = True) -> Recorded:
    """Read a file; raises InvalidInputs that says what is wrong with it.

    `.npy` holds the inputs; `.npz` holds them as `inputs`, and perhaps `labels`; `.csv` has one input per line, numbers
    only.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidInputs(f"{path} is none of {', '.join(sorted(_READERS))}")
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise InvalidInputs(f"{path} is larger than a file of inputs may be ({MAXIMUM_BYTES >> 20} MiB)")
        values, classes = reader(path)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidInputs(f"The inputs {path} cannot be read", hint=str(error)) from error
    if values.dtype.kind not in "iufb":
        raise InvalidInputs(f"{path} holds {values.dtype}, inputs are numbers")
    if values.ndim < 2 or not values.size:
        raise InvalidInputs(f"{path} has shape {list(values.shape)}: inputs are [n, ...], n at least 1")
    if not numpy.isfinite(values).all():
        raise InvalidInputs(f"{path} holds numbers that are not finite")
    if classes is not None and classes.shape != (len(values),):
        raise InvalidInputs(f"{path} has {len(values)} inputs and labels of shape {list(classes.shape)}")
    return Recorded(values.astype(numpy.float32), classes, shuffled=shuffled)


Arrays = tuple[NDArray[numpy.float32], NDArray[numpy.int64] | None]


def _read_npy(path: Path) -> Arrays:
    return numpy.load(path, allow_pickle=False), None


def _read_npz(path: Path) -> Arrays:
    with path.open("rb") as file, numpy.load(file, allow_pickle=False) as archive:
        if "inputs" not in archive:
            raise InvalidInputs(f"{path} holds no array with the name inputs")
        labels = archive["labels"].astype(numpy.int64) if "labels" in archive else None
        return archive["inputs"], labels


def _read_csv(path: Path) -> Arrays:
    return numpy.loadtxt(path, dtype=numpy.float32, delimiter=",", ndmin=2), None


_READERS = {".npy": _read_npy, ".npz": _read_npz, ".csv": _read_csv}
