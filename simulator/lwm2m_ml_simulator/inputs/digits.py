"""The 1,797 handwritten digits of scikit-learn (UCI "Optical Recognition of Handwritten Digits"), split once."""

from dataclasses import dataclass
from functools import cache

import numpy
from numpy.typing import NDArray

TRAIN_COUNT = 1000
CALIBRATION_COUNT = 197
TEST_COUNT = 600
SPLIT_SEED = 20240229
PIXEL_MAXIMUM = 16.0


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
