import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        statistics.add(decided, numpy.array(image, dtype=numpy.float64))
    everything = numpy.concatenate([numpy.array(image) for image in images])
    assert statistics.mean == pytest.approx(everything.mean(), abs=1e-6)
    assert statistics.deviation == pytest.approx(everything.std(), abs=1e-5)
    assert statistics.undecided == 1
    assert sum(statistics.class_counts.values()) == len(images) - 1
