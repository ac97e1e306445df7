"""Devices are spread evenly over nodes, and stay where they are."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.errors import UsageError
from lwm2m_ml.server.bootstrap_nodes import BootstrapNodes

URIS = {name: f"coaps://{name}.example:5684" for name in ("one", "two", "three")}
DEVICES = [f"sensor-{number}" for number in range(3_000)]


def everybody(_name: str) -> bool:
    return True


def test_devices_are_spread_evenly() -> None:
    nodes = BootstrapNodes(URIS)
    counts = Counter(nodes.of(device, everybody) for device in DEVICES)
    assert set(counts) == set(URIS)
    assert min(counts.values()) > len(DEVICES) / len(URIS) * 0.9


@given(st.permutations(list(URIS)), st.sampled_from(DEVICES))
def test_the_order_of_the_list_makes_no_difference(order: list[str], device: str) -> None:
    assert BootstrapNodes({name: URIS[name] for name in order}).of(device, everybody) == BootstrapNodes(URIS).of(
        device, everybody
    )


def test_only_devices_of_a_node_that_is_gone_move_and_they_come_back() -> None:
    nodes = BootstrapNodes(URIS)
    before = {device: nodes.of(device, everybody) for device in DEVICES}
    after = {device: nodes.of(device, lambda name: name != "two") for device in DEVICES}
    assert {before[device] for device in DEVICES if before[device] != after[device]} == {"two"}
    assert set(after.values()) == {"one", "three"}
    assert {device: nodes.of(device, everybody) for device in DEVICES} == before


def test_without_spreading_the_first_that_lives_gets_all() -> None:
    nodes = BootstrapNodes(URIS, spread=False)
    assert {nodes.of(device, everybody) for device in DEVICES} == {"one"}
    assert {nodes.of(device, lambda name: name != "one") for device in DEVICES} == {"two"}


def test_when_none_lives_any_may_come_back() -> None:
    assert BootstrapNodes(URIS).of("sensor-1", lambda _: False) == BootstrapNodes(URIS).of("sensor-1", everybody)
    assert BootstrapNodes({}).of("sensor-1", everybody) is None


@pytest.mark.parametrize(
    "uri", ["", "one.example", "https://one.example", "coaps://", "coap://[", "coap://one:port", "coap://one:0"]
)
def test_what_is_no_address_for_devices_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="no address for devices"):
        BootstrapNodes({"one": uri})
