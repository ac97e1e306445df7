"""The split of the digits: sizes, ranges, and that it never changes or leaks."""

import hashlib

import numpy
import pytest

from lwm2m_ml_simulator.inputs.digits import load_digits_split


def test_the_parts_have_their_sizes_and_form_1797_images() -> None:
    split = load_digits_split()
    assert [len(split.train), len(split.calibration), len(split.test)] == [1000, 197, 600]
    for part in (split.train, split.calibration, split.test):
        assert part.images.shape == (len(part), 1, 8, 8)
        assert part.images.dtype == numpy.float32
        assert part.labels.shape == (len(part),)


def test_pixels_are_sixteenths_between_0_and_1() -> None:
    sixteenths = load_digits_split().test.images * 16
    assert sixteenths.min() == 0
    assert sixteenths.max() == 16
    assert numpy.array_equal(sixteenths, sixteenths.round())


def test_no_image_is_in_two_parts() -> None:
    split = load_digits_split()
    train, calibration, test = (
        {image.tobytes() for image in part.images} for part in (split.train, split.calibration, split.test)
    )
    assert not train & calibration
    assert not train & test
    assert not calibration & test


def test_every_class_is_in_every_part() -> None:
    split = load_digits_split()
    for part in (split.train, split.calibration, split.test):
        assert set(part.labels.tolist()) == set(range(10))


def test_the_split_is_the_committed_one() -> None:
    test = load_digits_split().test
    digest = hashlib.sha256(test.images.tobytes() + test.labels.tobytes()).hexdigest()
    assert digest == "8482f16189077e20508d4077f3cfe88879b5cfdd91740406d599a8c4220a9e0d"


def test_the_shared_arrays_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        load_digits_split().train.images[0] = 0
