"""The 1,797 handwritten digits of scikit-learn (UCI "Optical Recognition of Handwritten Digits"), split once."""

from dataclasses import dataclass
from functools import cache

import numpy
from numpy.typing import NDArray

from lwm2m_ml_simulator.inputs.stream import Sample

TRAIN_COUNT = 1000
CALIBRATION_COUNT = 197
TEST_COUNT = 600
SPLIT_SEED = 20240229
PIXEL_MAXIMUM = 16.0
_LOST_CONTRAST, _NOISE = 0.5, 0.2


@dataclass(frozen=True, slots=True, eq=False)
class DigitsPart:
    """One part of the split: images float32 [n, 1, 8, 8] with values 0..1, labels int64 [n] with values 0..9."""

    images: NDArray[numpy.float32]
    labels: NDArray[numpy.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class DigitsSplit:
    """The three parts. They share no image."""

    train: DigitsPart
    calibration: DigitsPart
    test: DigitsPart


@cache
def load_digits_split() -> DigitsSplit:
    """Return the split, always the same one; its arrays are shared and read-only."""
    # scikit-learn takes a second to import: only who asks for images pays for it.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    digits = load_digits()
    order = numpy.random.Generator(numpy.random.PCG64(SPLIT_SEED)).permutation(len(digits.target))
    images = (digits.images[order] / PIXEL_MAXIMUM).astype(numpy.float32)[:, numpy.newaxis, :, :]
    labels = digits.target[order].astype(numpy.int64)
    calibration_end = TRAIN_COUNT + CALIBRATION_COUNT
    return DigitsSplit(
        train=_part(images[:TRAIN_COUNT], labels[:TRAIN_COUNT]),
        calibration=_part(images[TRAIN_COUNT:calibration_end], labels[TRAIN_COUNT:calibration_end]),
        test=_part(images[calibration_end:], labels[calibration_end:]),
    )


def _part(images: NDArray[numpy.float32], labels: NDArray[numpy.int64]) -> DigitsPart:
    images, labels = images.copy(), labels.copy()
    images.flags.writeable = labels.flags.writeable = False
    return DigitsPart(images, labels)


class Digits:
    """The test part as an endless stream, drawn at random; drift is dirt on the lens: less contrast, and noise."""

    labels = tuple(str(digit) for digit in range(10))
    shape = (1, 8, 8)

    def sample(self, generator: numpy.random.Generator, drift: float) -> Sample:
        """Draw one image with values 0..1."""
        test = load_digits_split().test
        index = int(generator.integers(len(test)))
        image = test.images[index]
        if drift > 0.0:
            faded = 0.5 + (image - 0.5) * (1.0 - _LOST_CONTRAST * min(drift, 1.0))
            image = numpy.clip(faded + generator.normal(0.0, _NOISE * drift, image.shape), 0.0, 1.0)
        return Sample(image.astype(numpy.float32), int(test.labels[index]))
