"""The shipped sources of inputs: what they draw, how they repeat, and what drift does to them."""

import itertools
from itertools import islice

import numpy
import pytest
from sklearn.linear_model import LogisticRegression

from lwm2m_ml_simulator.inputs.digits import Digits
from lwm2m_ml_simulator.inputs.gestures import Gestures
from lwm2m_ml_simulator.inputs.keywords import FIRST_COMMAND, WAKE, Keywords
from lwm2m_ml_simulator.inputs.stream import SensorStream, Source, dataset
from lwm2m_ml_simulator.inputs.vibration import ANOMALY, Vibration

SOURCES: list[Source] = [Digits(), Vibration(), Gestures()]
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: type(source).__name__)


@each_source
def test_a_seed_gives_the_same_inputs_again(source: Source) -> None:
    one, other = (list(islice(SensorStream(source, 5), 20)) for _ in range(2))
    assert all(map(numpy.array_equal, one, other))
    assert not numpy.array_equal(one[0], next(SensorStream(source, 6)))


@each_source
def test_inputs_have_the_shape_and_the_labels_that_are_promised(source: Source) -> None:
    values, labels = dataset(source, 200, 1)
    assert values.shape == (200, *source.shape[1:])
    assert values.dtype == numpy.float32
    assert set(labels) == set(range(len(source.labels)))


@each_source
def test_drift_can_be_switched_on_and_off_in_a_running_stream(source: Source) -> None:
    stream = SensorStream(source, 5)
    next(stream)
    stream.drift = 1.0
    drifted = next(stream)
    stream.drift = 0.0
    quiet = SensorStream(source, 5)
    next(quiet)
    assert not numpy.array_equal(drifted, next(quiet))
    assert len(stream.shown) == 2


def features(values: numpy.typing.NDArray[numpy.float32]) -> numpy.typing.NDArray[numpy.float64]:
    """Strength and spectrum of each axis: what an engineer would look at first."""
    spectra = numpy.abs(numpy.fft.rfft(values, axis=-1)).reshape(len(values), -1)
    moments = numpy.concatenate([values.mean(axis=-1), values.std(axis=-1)], axis=-1).reshape(len(values), -1)
    return numpy.concatenate([numpy.log1p(spectra), moments], axis=1)


def accuracy(source: Source, drift: float) -> float:
    values, labels = dataset(source, 600, 1)
    shown, truth = dataset(source, 400, 2, drift=drift)
    model = LogisticRegression(max_iter=2000).fit(features(values), labels)
    return float((model.predict(features(shown)) == truth).mean())


@pytest.mark.parametrize("source", [Vibration(anomalies=0.5), Gestures()], ids=["vibration", "gestures"])
def test_the_classes_can_be_told_apart_and_drift_makes_that_harder(source: Source) -> None:
    good, drifted = accuracy(source, 0.0), accuracy(source, 1.0)
    assert good > 0.93
    assert drifted < good - 0.1


def test_the_share_of_anomalies_is_the_one_asked_for() -> None:
    _, labels = dataset(Vibration(anomalies=0.2), 1000, 3)
    assert (labels == ANOMALY).mean() == pytest.approx(0.2, abs=0.05)
    assert not dataset(Vibration(anomalies=0.0), 100, 3)[1].any()


def test_a_wake_word_is_always_followed_by_a_command_and_a_command_by_nothing_else() -> None:
    _, labels = dataset(Keywords(), 2_000, 3)
    for now, after in itertools.pairwise(labels.tolist()):
        assert (now == WAKE) == (after >= FIRST_COMMAND)
    assert set(labels) == set(range(len(Keywords.labels)))
