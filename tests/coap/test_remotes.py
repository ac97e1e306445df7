"""Interned peers in bounded memory."""

from __future__ import annotations

import gc
from typing import Any

from lwm2m_ml.coap.remotes import RemoteTable


class Peer:
    """Stands for a remote: it has an address and can be referred to weakly."""

    def __init__(self, address: Any) -> None:
        self.socket_address = address


def table(maximum: int) -> Any:
    return RemoteTable(Peer, maximum)  # type: ignore[arg-type]


def test_a_peer_is_the_same_object_each_time() -> None:
    peers = table(10)
    assert peers.get(("a", 1)) is peers.get(("a", 1))
    assert peers.get(("a", 1)) is not peers.get(("a", 2))


def test_addresses_never_heard_again_are_forgotten() -> None:
    peers = table(100)
    for port in range(10_000):
        peers.get(("a", port))
    gc.collect()
    assert len(peers) <= 100


def test_a_peer_that_someone_holds_is_never_forgotten() -> None:
    peers = table(10)
    held = peers.get(("held", 1))
    for port in range(1000):
        peers.get(("a", port))
    assert peers.get(("held", 1)) is held


def test_a_peer_that_speaks_now_and_then_is_kept() -> None:
    peers = table(100)
    first = id(peers.get(("regular", 1)))
    for port in range(1000):
        peers.get(("a", port))
        if port % 20 == 0:
            assert id(peers.get(("regular", 1))) == first


def test_a_moved_peer_is_found_at_its_new_address_only() -> None:
    peers = table(10)
    mover = peers.get(("old", 1))
    displaced = peers.get(("new", 1))
    peers.move(mover, ("new", 1))
    assert peers.get(("new", 1)) is mover
    assert peers.get(("old", 1)) is not mover
    assert mover.socket_address == ("new", 1)
    assert displaced is not mover


def test_all_peers_are_told_however_old_they_are() -> None:
    peers = table(4)
    held = [peers.get(("held", port)) for port in range(9)]
    assert sorted(one.socket_address for one in peers.all()) == sorted(one.socket_address for one in held)
