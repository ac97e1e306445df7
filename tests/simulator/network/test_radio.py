import pytest

from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.radio import Radio, RadioSettings


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_radio_that_never_sleeps_hears_everything(clock: Clock) -> None:
    radio = Radio(RadioSettings(), clock)
    clock.now += 1e6
    assert radio.hears(10)
    assert radio.figures.bytes_in == 10


def test_a_sleeping_radio_keeps_nothing_until_the_device_sends(clock: Clock) -> None:
    radio = Radio(RadioSettings(awake_seconds=5), clock)
    clock.now += 5.1
    assert not radio.hears(10)
    assert (radio.figures.missed, radio.figures.bytes_in) == (1, 0)
    assert radio.sends(10)
    assert radio.hears(10)


def test_every_message_keeps_the_radio_on(clock: Clock) -> None:
    radio = Radio(RadioSettings(awake_seconds=5), clock)
    for _ in range(3):
        clock.now += 4
        assert radio.hears(10)
    assert radio.awake
    clock.now += 5
    assert not radio.awake


def test_losses_are_as_frequent_as_told_and_the_same_for_a_seed() -> None:
    conditions = Conditions(loss=0.2)
    one, other = (Radio(RadioSettings(conditions=conditions, seed=1)) for _ in range(2))
    assert [one.sends(1) for _ in range(100)] == [other.sends(1) for _ in range(100)]
    radio = Radio(RadioSettings(conditions=conditions, seed=3))
    through = sum(len(radio.approaching(1)) + len(radio.sends(1)) for _ in range(1000))
    assert 1500 < through < 1700
    assert radio.lost == 2000 - through
