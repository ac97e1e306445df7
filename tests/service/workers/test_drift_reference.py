"""The drift reference of a model's inputs, as devices and service use it."""

import numpy
import pytest

from lwm2m_ml.service.workers.drift_reference import measure
from lwm2m_ml_simulator.inference.drift import DriftMonitor

RANDOM = numpy.random.default_rng(5)


def test_bins_hold_equal_shares() -> None:
    reference = measure(RANDOM.normal(size=(4_000, 1, 10)).astype(numpy.float32))
    assert len(reference.edges[0]) == 7
    assert reference.shares[0] == pytest.approx([0.125] * 8, abs=0.001)
    assert reference.means[0] == pytest.approx(0.0, abs=0.02)
    assert reference.deviations[0] == pytest.approx(1.0, abs=0.02)


def test_values_that_occur_often_make_larger_bins() -> None:
    values = numpy.concatenate([numpy.zeros(900), RANDOM.uniform(1, 2, 100)]).astype(numpy.float32)
    reference = measure(values.reshape(-1, 1, 10))
    assert sum(reference.shares[0]) == pytest.approx(1.0)
    assert max(reference.shares[0]) == pytest.approx(0.9)
    assert len(reference.edges[0]) == 1


def test_a_constant_input_has_a_reference() -> None:
    reference = measure(numpy.full((50, 3), 2.5, dtype=numpy.float32))
    assert reference.shares == ((0.0, 1.0),) * 3


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((20, 5), 5), ((20, 640), 1), ((20, 3, 32, 32), 3), ((20, 32, 32, 3), 3), ((20, 1, 28, 28), 1), ((20, 49, 40), 1)],
)
def test_channels_are_features_or_the_axis_that_is_one_of_few(shape: tuple[int, ...], channels: int) -> None:
    assert len(measure(RANDOM.normal(size=shape).astype(numpy.float32)).means) == channels


def test_the_mix_of_answers() -> None:
    inputs = numpy.zeros((4, 2), dtype=numpy.float32)
    assert measure(inputs, [0, 2, 2, 1], 3).class_shares == (0.25, 0.25, 0.5)
    assert measure(inputs, [0, 1, 1, 0]).class_shares == ()


@pytest.mark.parametrize("shape", [(64, 6), (64, 3, 8, 8), (64, 8, 8, 3)])
def test_a_device_that_sees_the_same_inputs_counts_the_same_shares(shape: tuple[int, ...]) -> None:
    inputs = RANDOM.normal(size=shape).astype(numpy.float32)
    reference = measure(inputs)
    monitor = DriftMonitor(reference)
    for one in inputs:
        monitor.add(one[numpy.newaxis])
    counted = numpy.asarray(monitor.histogram, dtype=float)
    per_channel = inputs.size / len(reference.means)
    assert counted / per_channel == pytest.approx(sum(reference.shares, ()))
    assert monitor.score == pytest.approx(0.0, abs=1e-9)
