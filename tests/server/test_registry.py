"""Looking up registrations."""

from typing import Any

import pytest

from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.errors import UnknownDevice
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registry import Registry


class Peer:
    """As much of a peer as the registry looks at: its identity."""


def registration(endpoint: str, location: str, remote: Any = None) -> Registration:
    peer: Any = remote or Peer()
    return Registration(endpoint, location, RegistrationParameters(endpoint), None, peer, 0.0, 0.0)


def test_a_registration_is_found_by_name_location_and_peer() -> None:
    registry = Registry()
    one = registration("a", "x")
    assert registry.put(one) is None
    assert registry.get("a") is registry.find("a") is registry.at("x") is registry.of(one.remote) is one
    assert (registry.find("b"), registry.at("y"), registry.of(Peer())) == (None, None, None)  # type: ignore[arg-type]
    with pytest.raises(UnknownDevice):
        registry.get("b")


def test_a_newer_registration_replaces_everything_of_the_older() -> None:
    registry = Registry()
    old, new = registration("a", "x"), registration("a", "y")
    registry.put(old)
    assert registry.put(new) is old
    assert registry.at("x") is None
    assert registry.of(old.remote) is None
    assert len(registry) == 1


def test_of_two_endpoints_behind_one_address_the_newest_is_the_peer_and_both_are_known() -> None:
    registry = Registry()
    remote: Any = Peer()
    first, second = registration("a", "x", remote), registration("b", "y", remote)
    registry.put(first)
    assert not registry.shares(remote)
    registry.put(second)
    assert registry.shares(remote)
    assert registry.of(remote) is second
    assert registry.remove("b") is second
    assert registry.of(remote) is first
    assert not registry.shares(remote)
    assert registry.all() == (first,)
    registry.remove("a")
    assert registry.of(remote) is None


def test_renewing_a_registration_does_not_count_twice() -> None:
    registry = Registry()
    remote: Any = Peer()
    for location in "xyz":
        registry.put(registration("a", location, remote))
    assert not registry.shares(remote)
