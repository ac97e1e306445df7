"""What scenario files may say beyond the parts of a microcontroller, and what is said of mistakes."""

from pathlib import Path

import numpy
import pytest

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.objects.data import Wave
from lwm2m_ml_simulator.scenario.events import Action
from lwm2m_ml_simulator.scenario.fleet import load_fleet, parse_fleet
from lwm2m_ml_simulator.scenario.values import read_duration

HEAD = 'name = "x"\n'
CLIENT = '[[client]]\nendpoint = "c"\n'
DEVICE = '[[device]]\nendpoint = "d"\ntarget = "nrf52840"\nslot_bytes = 8192\n'
EVENT = '[[event]]\nat = 5\naction = "reboot"\n'


@pytest.mark.parametrize(
    ("text", "seconds"), [(90, 90.0), ("90s", 90.0), ("1h30m", 5400.0), ("1d", 86_400.0), ("1.5m", 90.0)]
)
def test_durations_are_numbers_or_text(text: int | str, seconds: float) -> None:
    assert read_duration(text) == seconds


def test_the_network_of_the_file_counts_where_a_kind_has_none_of_its_own() -> None:
    text = (
        HEAD
        + "network = { latency = '50ms' }\n".replace("'50ms'", "0.05")
        + CLIENT
        + DEVICE
        + "network = { mtu = 512 }\n"
    )
    fleet = parse_fleet(text, "x")
    assert fleet.plain[0].conditions == Conditions(latency=0.05)
    assert fleet.profiles[0].conditions == Conditions(mtu=512)


def test_objects_have_values_waves_and_lists() -> None:
    text = (
        HEAD
        + CLIENT
        + (
            "[[client.object]]\nid = 3303\ninstance = 2\nwritable = [5750]\nexecutable = [5605]\n"
            'resources = { 5700 = { mean = 20, period = "1h" }, 5750 = "hall", 5911 = [1, 2] }\n'
        )
    )
    (template,) = parse_fleet(text, "x").plain[0].objects
    assert (template.object_id, template.instance_id) == (3303, 2)
    assert template.waves == {5700: Wave(20.0, period=3600.0)}
    assert template.values == {5750: "hall", 5911: {0: 1, 1: 2}}
    assert (*template.writable, *template.executable) == (5750, 5605)


def test_clients_and_devices_have_names_seeds_and_joins_of_their_own() -> None:
    text = HEAD + "seed = 4\n" + DEVICE + "count = 2\n" + CLIENT + "count = 3\njoin = { at = 10, within = '1m' }\n"
    fleet = parse_fleet(text, "x")
    seeds = [profile.seed for profile in fleet.profiles] + [profile.seed for profile in fleet.plain]
    assert seeds == [4, 5, 6, 7, 8]
    assert set(fleet.joins) == {"c-00001", "c-00002", "c-00003"}
    assert all(10 <= moment <= 70 for moment in fleet.joins.values())
    assert fleet.joins == parse_fleet(text, "x").joins != parse_fleet(text, "x", seed=5).joins


def test_events_are_read_with_all_they_say() -> None:
    text = (
        HEAD
        + CLIENT
        + (
            '[[event]]\naction = "network"\nat = "1h"\nevery = "2h"\nuntil = "1d"\ndevices = "c*"\n'
            "share = 0.5\n"
            "spread = 60\nlasting = 30\nnetwork = { loss = 0.1 }\n"
            "[[event]]\naction = 'claim'\nat = 1\nclaims = { '/3/0/3' = 'x' }\n"
        )
    )
    network, claim = parse_fleet(text, "x").events
    assert (network.action, network.at, network.every, network.lasting) == (Action.NETWORK, 3600.0, 7200.0, 30.0)
    assert (network.conditions, network.share, network.spread) == (Conditions(loss=0.1), 0.5, 60.0)
    assert [moment / 3600 for moment in network.moments()] == [*range(1, 24, 2)]
    assert claim.claims == {ObjectPath(3, 0, 3): "x"}


def test_inputs_of_the_users_own_are_found_beside_the_file_and_shared(tmp_path: Path) -> None:
    numpy.save(tmp_path / "mine.npy", numpy.ones((3, 4), dtype=numpy.float32))
    more = "count = 2\ninput = { kind = 'file', path = 'mine.npy', drift = 0.5 }\n"
    (tmp_path / "x.toml").write_text(HEAD + DEVICE + more)
    (one, drift), (other, _) = load_fleet(tmp_path / "x.toml").inputs.values()
    assert one is other
    assert (one.shape, drift) == ((1, 4), 0.5)


@pytest.mark.parametrize("name", ["demo", "sleepers"])
def test_the_shipped_fleets_are_valid(name: str) -> None:
    shipped = Path(__file__).parents[3] / "simulator" / "lwm2m_ml_simulator" / "fleets" / f"{name}.toml"
    assert load_fleet(shipped).size >= 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CLIENT + "target = 'nrf52840'", r"client 1 \(c\): target: extra"),
        (CLIENT + "lifetime = '1h'", r"client 1 \(c\): lifetime"),
        (CLIENT + "outage = '1x'", "a duration is a number of seconds"),
        (CLIENT + "outage = ''", "a duration is a number of seconds"),
        (CLIENT + "network = { loss = 1 }", "network.loss"),
        (CLIENT + "network = { bandwidth = 1 }", "network.bandwidth"),
        (CLIENT + "packet_loss = 0.1\nnetwork = { latency = 1 }", "short form"),
        (CLIENT + "claims = { 'x' = 1 }", "claims"),
        (CLIENT + "radio = 'semaphore'", "There is no radio 'semaphore'.*nb-iot"),
        (CLIENT + "[[client.object]]\nid = 3", "object 3 is the simulator's own"),
        (CLIENT + "[[client.object]]\nid = 99999", "id"),
        (CLIENT + "[[client.object]]\nid = 3303\nresources = { x = 1 }", "resources"),
        (DEVICE + "input = { kind = 'file' }", "`path` belongs to the kind file"),
        (
            DEVICE + "input = { kind = 'file', path = 'none.npy' }",
            r"device 1 \(d\): The inputs none.npy",
        ),
        (DEVICE + "executed_share = 2", "executed_share"),
        (CLIENT + EVENT + "network = { loss = 0.1 }", r"event 1 \(reboot\).*no use for `network`"),
        (CLIENT + EVENT.replace("reboot", "network"), "needs `network`"),
        (CLIENT + EVENT + "lasting = 3", "no use for `lasting`"),
        (CLIENT + EVENT + "until = 3", "`until` belongs to `every`"),
        (CLIENT + EVENT + "every = 0", "every"),
        (CLIENT + EVENT.replace("reboot", "explode"), r"event 1 \(explode\): action"),
        (CLIENT + "count = 60000\n" + CLIENT.replace('"c"', '"e"') + "count = 60000", "more than 100,000 devices"),
        (CLIENT + CLIENT, "endpoint 'c' occurs twice"),
    ],
)
def test_mistakes_are_named_where_they_are(text: str, message: str) -> None:
    with pytest.raises(InvalidFleet, match=message):
        parse_fleet(HEAD + text, "x")
