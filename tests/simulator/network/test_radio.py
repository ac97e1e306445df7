import pytest

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
    assert radio.bytes_in == 10


def test_a_sleeping_radio_keeps_nothing_until_the_device_sends(clock: Clock) -> None:
    radio = Radio(RadioSettings(awake_seconds=5), clock)
    clock.now += 5.1
    assert not radio.hears(10)
    assert (radio.missed, radio.bytes_in) == (1, 0)
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
    passed = [[Radio(RadioSettings(loss=0.2, seed=seed)).sends(1) for _ in range(1)] for seed in (1, 1)]
    assert passed[0] == passed[1]
    radio = Radio(RadioSettings(loss=0.2, seed=3))
    through = sum(radio.hears(1) for _ in range(1000)) + sum(radio.sends(1) for _ in range(1000))
    assert 1500 < through < 1700
    assert radio.lost == 2000 - through
