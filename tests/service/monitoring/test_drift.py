"""Judging drift: what moved is named, what chance explains is not."""

import numpy

from lwm2m_ml.module.drift import DriftReference
from lwm2m_ml.service.monitoring.baseline import DriftBaseline
from lwm2m_ml.service.monitoring.counters import Counters
from lwm2m_ml.service.monitoring.drift import DriftLimits, Judgement, judge

REFERENCE = DriftReference(
    means=(0.0, 0.0),
    deviations=(1.0, 1.0),
    edges=((-0.67, 0.0, 0.67), (-0.67, 0.0, 0.67)),
    shares=((0.25,) * 4, (0.25,) * 4),
    class_shares=(0.5, 0.5),
)
BASELINE = DriftBaseline(REFERENCE, 100_000, (1.0, 1.0))
LIMITS = DriftLimits()


def window(inputs: int, first: list[float], second: list[float], classes: list[float]) -> Counters:
    histogram = [round(share * inputs) for share in first + second]
    mix = {number: round(share * inputs) for number, share in enumerate(classes)}
    return Counters(inputs, mix, 0, tuple(histogram))


def test_the_feature_that_moved_is_named() -> None:
    found = judge(window(1000, [0.25] * 4, [0.05, 0.1, 0.25, 0.6], [0.5, 0.5]), BASELINE, LIMITS, ("x", "y"))
    assert found is not None
    assert [feature.feature for feature in found.drifted] == ["y"]
    assert found.features[0].distance.stability_index > 0.25


def test_the_mix_of_classes_is_a_feature() -> None:
    found = judge(window(1000, [0.25] * 4, [0.25] * 4, [0.95, 0.05]), BASELINE, LIMITS)
    assert found is not None
    assert [feature.feature for feature in found.drifted] == ["class mix"]


def test_channels_without_names_are_numbered() -> None:
    found = judge(window(1000, [0.25] * 4, [0.25] * 4, [0.5, 0.5]), BASELINE, LIMITS)
    assert found is not None
    assert {feature.feature for feature in found.features} == {"input channel 0", "input channel 1", "class mix"}
    assert found.drifted == ()


def test_too_few_inputs_are_not_judged() -> None:
    assert judge(window(20, [0.0, 0.0, 0.0, 1.0], [0.25] * 4, [0.5, 0.5]), BASELINE, LIMITS) is None


def test_bins_that_are_not_those_of_the_reference_are_not_judged() -> None:
    found = judge(Counters(100, {}, 100, (100, 0, 0)), BASELINE, LIMITS)
    assert found is None


def test_chance_raises_no_alarm_even_in_small_windows() -> None:
    random = numpy.random.default_rng(3)
    alarms = 0
    for _ in range(2_000):
        first, second = (random.multinomial(30, [0.25] * 4).tolist() for _ in range(2))
        ones = int(random.binomial(30, 0.5))
        found = judge(Counters(30, {0: 30 - ones, 1: ones}, 0, (*first, *second)), BASELINE, LIMITS)
        assert found is not None
        alarms += bool(found.drifted)
    assert alarms <= 2, "one in ten thousand windows"


def test_values_of_one_input_that_depend_on_each_other_count_for_less() -> None:
    moved = Counters(40, {0: 20, 1: 20}, 0, (1400, 1300, 1000, 300, *[1000] * 4))
    independent, dependent = (DriftBaseline(REFERENCE, 10_000, (worth, worth)) for worth in (100.0, 1.0))
    found = judge(moved, independent, LIMITS)
    assert found is not None
    assert [feature.feature for feature in found.drifted] == ["input channel 0"]
    found = judge(moved, dependent, LIMITS)
    assert found is not None
    assert found.drifted == ()


def test_a_small_calibration_set_makes_a_careful_judge() -> None:
    moved = window(1000, [0.15, 0.2, 0.25, 0.4], [0.25] * 4, [0.5, 0.5])
    assert [bool(found.drifted) for inputs in (30, 10_000) if (found := _judged(moved, inputs))] == [False, True]


def _judged(moved: Counters, inputs: int) -> Judgement | None:
    return judge(moved, DriftBaseline(REFERENCE, inputs, (1.0, 1.0)), LIMITS)
