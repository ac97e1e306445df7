"""One owner at a time: claims, leases, tokens that the database checks, and owners that stall."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from lwm2m_ml.bus import Bus, NotOwner, OwnershipGained, OwnershipLost
from lwm2m_ml.cluster.cluster import Cluster, ClusterSettings
from lwm2m_ml.cluster.ownership import ClusterOwnership, key_of
from lwm2m_ml.errors import ConflictError
from lwm2m_ml.store import Store
from lwm2m_ml.store.campaigns import CampaignNoteRecord
from lwm2m_ml.store.errors import WriteRefused
from lwm2m_ml.store.fence import CAMPAIGNS
from lwm2m_ml.store.observations import ObservationRecord
from lwm2m_ml.store.registrations import RegistrationRecord
from lwm2m_ml_simulator.cluster.nats import Nats

LEASE = 10.0
PATIENCE = 60.0


@dataclass(frozen=True)
class Node:
    cluster: Cluster
    store: Store
    bus: Bus

    @property
    def ownership(self) -> ClusterOwnership:
        return self.cluster.ownership


@asynccontextmanager
async def node_of(nats_server: Nats, store: Store, name: str) -> AsyncIterator[Node]:
    bus = Bus()
    settings = ClusterSettings(nats_server.url, node=name, lease_seconds=LEASE)
    cluster = await Cluster.join(settings, store, bus, secrets_digest="same")
    yield Node(cluster, store, bus)
    await cluster.leave()
    await bus.close()


@pytest.fixture
async def nodes(nats_server: Nats, stores: tuple[Store, Store]) -> AsyncIterator[tuple[Node, Node]]:
    async with node_of(nats_server, stores[0], "a") as one, node_of(nats_server, stores[1], "b") as other:
        yield one, other


def registration(endpoint: str) -> RegistrationRecord:
    return RegistrationRecord(endpoint, endpoint, "127.0.0.1", 1, None, 300, "1.1", "U", False, "{}", 1.0, 1.0)


def unique(name: str) -> str:
    return f"urn:dev:{name}:{secrets.token_hex(4)}"


def stall(node: Node) -> None:
    """What a node is like that was stopped for longer than its lease, and does not know it yet."""
    node.cluster._lease._until = 0.0


async def test_a_claim_makes_an_owner_and_tells_the_bus(nodes: tuple[Node, Node]) -> None:
    name, told = unique("claimed"), []

    async def hear(event: OwnershipGained) -> None:
        told.append(event.name)

    nodes[0].bus.subscribe(OwnershipGained, hear)
    assert not nodes[0].ownership.has(name)
    await asyncio.gather(*(nodes[0].ownership.claim(name) for _ in range(5)))
    assert nodes[0].ownership.has(name)
    assert not nodes[1].ownership.has(name)
    assert await nodes[1].ownership.owner(name) == nodes[0].cluster.node
    await nodes[0].bus.drain()
    assert told == [name]


async def test_an_owner_that_works_is_asked_and_lets_go(nodes: tuple[Node, Node]) -> None:
    name, lost = unique("moved"), []

    async def hear(event: OwnershipLost) -> None:
        lost.append(event.name)

    nodes[0].bus.subscribe(OwnershipLost, hear)
    await nodes[0].ownership.claim(name)
    first = nodes[0].ownership.token(name)
    await nodes[1].ownership.claim(name)
    assert nodes[1].ownership.has(name)
    assert not nodes[0].ownership.has(name)
    assert nodes[0].ownership.token(name) is None
    second = nodes[1].ownership.token(name)
    assert first is not None
    assert second is not None
    assert second > first
    await nodes[0].bus.drain()
    assert lost == [name]


async def test_of_two_that_claim_at_once_one_becomes_the_owner(nodes: tuple[Node, Node]) -> None:
    for _ in range(5):
        name = unique("wanted")
        await asyncio.gather(*(node.ownership.claim(name) for node in nodes), return_exceptions=True)
        assert [node.ownership.has(name) for node in nodes].count(True) == 1


async def test_what_a_former_owner_writes_is_refused_and_the_owners_is_not(nodes: tuple[Node, Node]) -> None:
    name, (former, owner) = unique("written"), nodes
    with pytest.raises(WriteRefused, match="Another node acts for"):
        await former.store.registrations.put(registration(name))
    await former.ownership.claim(name)
    await former.store.registrations.put(registration(name))
    token = former.ownership.token(name)
    assert token is not None
    await owner.ownership.claim(name)
    former.ownership._tokens[name] = token  # it has not heard of it: its own word is not what is relied on
    others = unique("others")
    await former.ownership.claim(others)
    late, fine = (
        former.store.registrations.put(registration(name)),
        former.store.registrations.put(registration(others)),
    )
    with pytest.raises(WriteRefused):
        await late
    await fine
    with pytest.raises(WriteRefused):
        await former.store.observations.put(ObservationRecord(name, "/3/0/1"))
    await owner.store.observations.put(ObservationRecord(name, "/3/0/2"))
    await owner.store.registrations.put(registration(name))
    assert [one.paths for one in await owner.store.observations.of_endpoint(name)] == ["/3/0/2"]


async def test_common_work_has_one_driver_whose_successor_comes_by_itself(nodes: tuple[Node, Node]) -> None:
    nodes[0].cluster.drive_campaigns()
    await until(lambda: nodes[0].ownership.has(CAMPAIGNS))
    nodes[1].cluster.drive_campaigns()
    await asyncio.sleep(0.3)
    assert not nodes[1].ownership.has(CAMPAIGNS)  # who works is not asked to let go of it
    with pytest.raises(WriteRefused, match="campaigns"):
        await nodes[1].store.campaigns.note(CampaignNoteRecord("x", "y", "z"))
    await nodes[0].cluster.leave()
    await until(lambda: nodes[1].ownership.has(CAMPAIGNS))


async def test_a_stalled_owner_acts_for_nothing_and_its_names_can_be_had(nodes: tuple[Node, Node]) -> None:
    name, (stalled, other) = unique("stalled"), nodes
    await stalled.ownership.claim(name)
    for task in (stalled.cluster._lease._task,):
        assert task is not None
        task.cancel()
    await until(lambda: not stalled.ownership.has(name))
    assert stalled.ownership.token(name) is None
    with pytest.raises(NotOwner, match="no lease"):
        await stalled.ownership.claim(unique("more"))
    with pytest.raises(WriteRefused):
        await stalled.store.registrations.put(registration(name))
    await until_claimed(other, name)


async def test_a_lease_that_ended_is_noticed_before_the_next_act(nodes: tuple[Node, Node]) -> None:
    name = unique("late")
    await nodes[0].ownership.claim(name)
    stall(nodes[0])
    assert not nodes[0].ownership.has(name)
    await until(lambda: nodes[0].cluster._lease.held)  # it renews by itself ...
    assert not nodes[0].ownership.has(name)  # ... and begins with nothing: others may have taken over
    await nodes[0].ownership.claim(name)
    assert nodes[0].ownership.has(name)


async def test_a_node_with_other_keys_is_no_node_of_the_cluster(nats_server: Nats, nodes: tuple[Node, Node]) -> None:
    with pytest.raises(ConflictError, match="keys are not those"):
        await Cluster.join(
            ClusterSettings(nats_server.url, lease_seconds=LEASE), nodes[0].store, Bus(), secrets_digest="another"
        )


def test_every_name_has_a_key_of_its_own() -> None:
    names = ["urn:imei:1", "urn:imei:2", "a b", "ä", "*", ">", ".", "a.b", ""]
    keys = [key_of(name) for name in names]
    assert len(set(keys)) == len(names)
    assert all(set(key) <= set("-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") for key in keys)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about")


async def until_claimed(node: Node, name: str) -> None:
    for _ in range(int(PATIENCE / 0.2)):
        try:
            await node.ownership.claim(name)
        except NotOwner:
            await asyncio.sleep(0.2)
        else:
            return
    raise AssertionError("it cannot be had")
