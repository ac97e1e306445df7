"""The drift baseline of a model's inputs, as devices and service use it."""

import numpy
import pytest

from lwm2m_ml.service.workers.drift_baseline import measure
from lwm2m_ml_simulator.inference.drift import DriftMonitor

RANDOM = numpy.random.default_rng(5)


def test_bins_hold_equal_shares() -> None:
    baseline = measure(RANDOM.normal(size=(4_000, 1, 10)).astype(numpy.float32))
    reference = baseline.reference
    assert len(reference.edges[0]) == 7
    assert reference.shares[0] == pytest.approx([0.125] * 8, abs=0.001)
    assert reference.means[0] == pytest.approx(0.0, abs=0.02)
    assert reference.deviations[0] == pytest.approx(1.0, abs=0.02)


def test_values_that_occur_often_make_larger_bins() -> None:
    values = numpy.concatenate([numpy.zeros(900), RANDOM.uniform(1, 2, 100)]).astype(numpy.float32)
    baseline = measure(values.reshape(-1, 1, 10))
    reference = baseline.reference
    assert sum(reference.shares[0]) == pytest.approx(1.0)
    assert max(reference.shares[0]) == pytest.approx(0.9)
    assert len(reference.edges[0]) == 1


def test_a_constant_input_has_a_reference() -> None:
    baseline = measure(numpy.full((50, 3), 2.5, dtype=numpy.float32))
    reference = baseline.reference
    assert reference.shares == ((0.0, 1.0),) * 3


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((20, 5), 5),
        ((20, 640), 1),
        ((20, 3, 32, 32), 3),
        ((20, 32, 32, 3), 3),
        ((20, 1, 28, 28), 1),
        ((20, 49, 40), 1),
        ((20, 1, 3, 64), 3),
        ((20, 1, 64, 3), 3),
        ((20, 1, 8, 8), 1),
        ((20, 1, 128), 1),
        ((20, 1, 1, 128), 1),
    ],
)
def test_channels_are_features_or_the_axis_that_is_one_of_few(shape: tuple[int, ...], channels: int) -> None:
    assert len(measure(RANDOM.normal(size=shape).astype(numpy.float32)).reference.means) == channels


def test_the_mix_of_answers() -> None:
    inputs = numpy.zeros((4, 2), dtype=numpy.float32)
    assert measure(inputs, [0, 2, 2, 1], 3).reference.class_shares == (0.25, 0.25, 0.5)
    assert measure(inputs, [0, 1, 1, 0]).reference.class_shares == ()


@pytest.mark.parametrize("shape", [(64, 6), (64, 3, 8, 8), (64, 8, 8, 3), (64, 1, 3, 64), (64, 1, 64, 3)])
def test_a_device_that_sees_the_same_inputs_counts_the_same_shares(shape: tuple[int, ...]) -> None:
    inputs = RANDOM.normal(size=shape).astype(numpy.float32)
    baseline = measure(inputs)
    reference = baseline.reference
    monitor = DriftMonitor(reference)
    for one in inputs:
        monitor.add(one[numpy.newaxis])
    counted = numpy.asarray(monitor.histogram, dtype=float)
    per_channel = inputs.size / len(reference.means)
    assert counted / per_channel == pytest.approx(sum(reference.shares, ()))
    assert monitor.score == pytest.approx(0.0, abs=1e-9)


def test_independent_values_are_worth_a_sample_each_and_equal_ones_one_together() -> None:
    independent = RANDOM.normal(size=(2_000, 1, 32)).astype(numpy.float32)
    equal = numpy.repeat(RANDOM.normal(size=(2_000, 1, 1)), 32, axis=2).astype(numpy.float32)
    assert measure(independent).samples_per_input[0] == pytest.approx(32, rel=0.1)
    assert measure(equal).samples_per_input[0] == pytest.approx(1, rel=0.1)


def test_values_that_resemble_each_other_are_in_between() -> None:
    inputs = RANDOM.normal(size=(2_000, 1, 1)) + RANDOM.normal(size=(2_000, 1, 32))
    assert 1.5 < measure(inputs.astype(numpy.float32)).samples_per_input[0] < 8


def test_a_handful_of_inputs_says_nothing_of_how_they_differ() -> None:
    baseline = measure(RANDOM.normal(size=(10, 1, 32)).astype(numpy.float32))
    assert baseline.samples_per_input == (1.0,)
    assert baseline.inputs == 10
