"""The energy model: sums that can be checked by hand, and the order in which ways to carry a package come."""

import pytest

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml_simulator.energy.account import Energy, radio_energy
from lwm2m_ml_simulator.energy.comparison import DELTA, FULL, compare, path_of
from lwm2m_ml_simulator.energy.power import ASSUMED_WATTS_PER_HERTZ, ProcessorPower, load_radio, radio_names
from lwm2m_ml_simulator.energy.transfers import Way, carry
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.radio import Radio, RadioSettings

NB_IOT = load_radio("nb-iot")


@pytest.mark.parametrize("name", radio_names())
def test_every_radio_names_its_source(name: str) -> None:
    radio = load_radio(name)
    assert len(radio.source) > 20
    assert radio.transmit_watts >= radio.receive_watts >= radio.sleep_watts


def test_an_unknown_radio_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidFleet, match=r"'carrier pigeon'.*nb-iot"):
        load_radio("carrier pigeon")


def test_datagrams_become_frames_with_their_overhead() -> None:
    radio = load_radio("ieee802154")
    assert radio.bytes_on_air(74, 1) == 81 + 46
    assert radio.bytes_on_air(75, 1) == 82 + 2 * 46
    assert radio.bytes_on_air(750, 10) == 10 * (82 + 2 * 46)
    assert radio.bytes_on_air(0, 0) == 0.0


def test_a_radio_spends_on_sending_hearing_listening_and_sleep() -> None:
    now = 0.0
    radio = Radio(RadioSettings(awake_seconds=10.0), lambda: now)
    radio.sends(100)
    now = 2.0
    radio.hears(50)
    now = 1000.0
    spent = radio_energy(NB_IOT, radio, now)
    sending, hearing = (100 + 28 + 10) * 8 / 62_500, (50 + 28 + 10) * 8 / 25_500
    assert spent.transmitting == pytest.approx(sending * 0.543)
    assert spent.receiving == pytest.approx(hearing * 0.09)
    assert spent.listening == pytest.approx((12.0 - sending - hearing) * 0.09)
    assert spent.sleeping == pytest.approx(988.0 * 0.000015)
    assert spent.total == pytest.approx(sum((spent.transmitting, spent.receiving, spent.listening, spent.sleeping)))


def test_a_processor_draws_what_is_known_of_it_and_else_says_that_it_is_assumed() -> None:
    target = load_target("nrf52840")
    assert ProcessorPower.of(target, 64e6, active_watts=0.64).joules_per_cycle == pytest.approx(1e-8)
    if target.power is None:
        assumed = ProcessorPower.of(target, 64e6)
        assert assumed.joules_per_cycle == ASSUMED_WATTS_PER_HERTZ
        assert "assumed" in assumed.source


def test_energies_add_up() -> None:
    assert (Energy(1, 2, 3, 4, 5, 6, 7) + Energy(1, 1, 1, 1, 1, 1, 1) - Energy(1)).total == 34


def test_block_by_block_over_a_perfect_path_takes_a_round_trip_for_each_block() -> None:
    carried = carry(Way.BLOCKS, 10_240, Conditions(latency=0.5), runs=1)
    assert carried.seconds == pytest.approx(20 * 1.0, abs=0.01)
    assert carried.datagrams_up == carried.datagrams_down == 20
    assert 10_240 < carried.bytes_down < 10_240 * 1.1


def test_where_round_trips_are_long_a_window_is_faster_than_block_by_block() -> None:
    path = path_of(NB_IOT)
    blocks, windowed, streamed = (carry(way, 16_384, path, runs=1).seconds for way in Way)
    assert windowed < 0.7 * blocks
    assert streamed < 0.7 * blocks


def test_nothing_is_faster_than_the_bandwidth() -> None:
    path = path_of(NB_IOT)
    least = 16_384 * 8 / NB_IOT.receive_bits_per_second
    assert all(carry(way, 16_384, path, runs=1).seconds >= least for way in Way)


def test_losses_cost_time_in_every_way() -> None:
    for way in Way:
        perfect, lossy = (carry(way, 8192, path_of(NB_IOT, loss), runs=8).seconds for loss in (0.0, 0.2))
        assert lossy > perfect


def test_tcp_fills_the_devices_window_each_round_trip_and_repeats_what_is_lost() -> None:
    perfect = carry(Way.TCP, 40 * 1024, Conditions(latency=0.1), runs=1)
    assert 40 * (1024 + 20) < perfect.bytes_down < 42 * (1024 + 20)
    # Connection, capabilities and request, then four segments each round trip: the device's window.
    assert perfect.seconds == pytest.approx(0.2 * (2 + 11), abs=0.2)
    lossy = carry(Way.TCP, 40 * 1024, Conditions(latency=0.1, loss=0.1), runs=4)
    assert lossy.datagrams_down > perfect.datagrams_down


def test_a_delta_costs_less_than_the_whole_where_the_radio_is_dear() -> None:
    processor = ProcessorPower.of(load_target("nrf52840"), 64e6)
    costs = compare(
        {FULL: 20_000, DELTA: 4_000},
        NB_IOT,
        processor,
        path_of(NB_IOT),
        installed_bytes=20_000,
        erase_block_bytes=4096,
        runs=1,
    )
    total = {(cost.form, cost.carried.way): cost.energy.total for cost in costs}
    assert set(total) == {(form, way) for form in (FULL, DELTA) for way in Way}
    for way in Way:
        assert total[DELTA, way] < 0.5 * total[FULL, way]
    delta = next(cost.energy for cost in costs if cost.form == DELTA)
    whole = next(cost.energy for cost in costs if cost.form == FULL)
    assert delta.updating > whole.updating  # what is saved on the air is paid in part by the processor
