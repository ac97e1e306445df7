import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml_simulator.inference.channels import split
from lwm2m_ml_simulator.inference.statistics import LatencyStatistics, ResultStatistics


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30))
def test_latencies(values: list[float]) -> None:
    statistics = LatencyStatistics()
    for value in values:
        statistics.add(value)
    assert (statistics.inferences, statistics.last, statistics.maximum) == (len(values), values[-1], max(values))
    assert statistics.mean == pytest.approx(sum(values) / len(values))


@given(st.lists(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=8), min_size=1, max_size=10))
def test_moments_of_pieces_are_those_of_the_whole(images: list[list[float]]) -> None:
    statistics = ResultStatistics()
    for decided, image in enumerate(images, start=-1):
        statistics.add(decided, [numpy.array(image, dtype=numpy.float64)])
    everything = numpy.concatenate([numpy.array(image) for image in images])
    assert statistics.inputs[0].mean == pytest.approx(everything.mean(), abs=1e-6)
    assert statistics.inputs[0].deviation == pytest.approx(everything.std(), abs=1e-5)
    assert statistics.undecided == 1
    assert sum(statistics.class_counts.values()) == len(images) - 1


def test_each_channel_has_moments_of_its_own() -> None:
    signals = numpy.random.default_rng(1).normal(size=(20, 1, 3, 16)).astype(numpy.float32) * [[[1], [2], [3]]]
    statistics = ResultStatistics()
    for signal in signals:
        statistics.add(0, split(signal[numpy.newaxis], 3))
    assert [moments.mean for moments in statistics.inputs] == pytest.approx(signals.mean(axis=(0, 1, 3)))
    assert [moments.deviation for moments in statistics.inputs] == pytest.approx(signals.std(axis=(0, 1, 3)))


@pytest.mark.parametrize(
    ("shape", "channels"), [((1, 3, 64), 3), ((1, 1, 3, 64), 3), ((1, 8, 8, 3), 3), ((1, 6), 6), ((1, 5), 1), ((5,), 1)]
)
def test_inputs_are_split_along_the_axis_that_has_as_many_entries(shape: tuple[int, ...], channels: int) -> None:
    values = numpy.arange(numpy.prod(shape), dtype=numpy.float32).reshape(shape)
    parts = split(values, channels)
    assert len(parts) == channels
    assert sorted(numpy.concatenate(parts)) == list(range(values.size))
