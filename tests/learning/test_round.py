"""A round: good updates move the model by their mean; each kind of bad one is refused by name and moves nothing."""

import cbor2
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.learning.aggregation import NoisyMean, WeightedMean, moved
from lwm2m_ml.learning.round import Round
from lwm2m_ml.learning.terms import VectorEncoding
from lwm2m_ml.learning.update import Update
from lwm2m_ml.module import cbor

COUNT = 70
MODULE = bytes(range(32))


def _round(*endpoints: str) -> Round:
    opened = Round(COUNT, 1.0, WeightedMean(COUNT), dict.fromkeys(endpoints, MODULE))
    for endpoint in endpoints:
        opened.ask(endpoint)
    return opened


def _update(
    opened: Round, endpoint: str, delta: float = 0.01, examples: int = 5, encoding: VectorEncoding = VectorEncoding.INT8
) -> bytes:
    values = numpy.full(COUNT, delta, numpy.float32)
    return Update(opened.tokens[endpoint], MODULE, examples, 0.5, values).encode(encoding)


def test_the_mean_counts_each_update_as_often_as_it_has_examples() -> None:
    opened = _round("a", "b")
    opened.offer("a", _update(opened, "a", 0.02, 1))
    opened.offer("b", _update(opened, "b", 0.06, 3))
    assert opened.aggregator.finish() == pytest.approx(numpy.full(COUNT, 0.05), rel=1e-2)
    assert (opened.missing, opened.examples, opened.loss) == ((), 4, 0.5)


def _not_finite(opened: Round) -> bytes:
    entry = cbor2.loads(_update(opened, "a", encoding=VectorEncoding.FLOAT32))
    values = numpy.frombuffer(entry[7], "<f4").copy()
    values[3] = numpy.nan
    return cbor.encode(entry | {7: values.tobytes()})


def _of_another_module(opened: Round) -> bytes:
    return Update(opened.tokens["a"], bytes(32), 5, 0.5, numpy.zeros(COUNT, numpy.float32)).encode(VectorEncoding.INT8)


BAD = {
    "NaN": (_not_finite, "not finite"),
    "scaled by a million": (lambda opened: _update(opened, "a", 1e4), r"has the length 8\.367e\+04"),
    "of another device": (lambda opened: _update(opened, "b"), "another round or of another device"),
    "of another module": (_of_another_module, "another module"),
    "cut off": (lambda opened: _update(opened, "a")[:-1], "malformed"),
    "empty": (lambda opened: b"", "malformed"),
    "too large": (lambda opened: bytes(5000), "at most"),
    "no map": (lambda opened: cbor.encode([1, 2]), "no map"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_update_is_refused_by_name_and_moves_nothing(name: str) -> None:
    make, words = BAD[name]
    opened, without = _round("a", "b"), _round("b")
    with pytest.raises(InvalidInputError, match=words):
        opened.offer("a", make(opened))
    opened.offer("b", _update(opened, "b", 0.03))
    without.offer("b", _update(without, "b", 0.03))
    assert (opened.aggregator.finish() == without.aggregator.finish()).all()
    assert opened.missing == ("a",)


def test_a_repeated_update_is_refused_and_counts_once() -> None:
    opened, once = _round("a"), _round("a")
    content = _update(opened, "a")
    opened.offer("a", content)
    once.offer("a", _update(once, "a"))
    with pytest.raises(InvalidInputError, match="repetition"):
        opened.offer("a", content)
    assert (opened.aggregator.finish() == once.aggregator.finish()).all()


def test_an_update_of_an_earlier_round_is_refused() -> None:
    before, now = _round("a"), _round("a")
    with pytest.raises(InvalidInputError, match="another round"):
        now.offer("a", _update(before, "a"))


def test_a_device_that_was_not_asked_is_refused_by_name() -> None:
    opened = _round("a")
    with pytest.raises(InvalidInputError, match="intruder was not asked"):
        opened.offer("intruder", _update(opened, "a"))


@given(st.binary(max_size=400))
def test_no_bytes_break_a_round(content: bytes) -> None:
    opened = _round("a")
    with pytest.raises(InvalidInputError):
        opened.offer("a", content)


@given(st.dictionaries(st.integers(0, 7), st.none() | st.integers() | st.binary(max_size=40) | st.floats(), min_size=1))
def test_no_changed_field_breaks_a_round(changes: dict[int, object]) -> None:
    opened = _round("a")
    entry = cbor2.loads(_update(opened, "a"))
    try:
        opened.offer("a", cbor2.dumps(entry | changes))
    except InvalidInputError:
        assert not opened.accepted
    else:
        assert opened.accepted


def test_noise_has_the_deviation_that_is_accounted_for() -> None:
    mean = NoisyMean(20_000, clip=0.5, multiplier=3.0, expected=10.0, generator=numpy.random.default_rng(4))
    mean.add(numpy.full(20_000, 0.2, numpy.float32), 7)
    step = mean.finish()
    assert step.mean() == pytest.approx(0.02, abs=0.005)
    assert step.std() == pytest.approx(3.0 * 0.5 / 10.0, rel=0.03)


def test_the_server_s_momentum_carries_on() -> None:
    parameters, velocity = numpy.zeros(2, numpy.float32), numpy.zeros(2, numpy.float32)
    for _ in range(2):
        parameters, velocity = moved(parameters, velocity, numpy.ones(2), rate=0.5, momentum=0.5)
    assert parameters.tolist() == [1.25, 1.25]
