"""Sessions that outlive their process, or go on at another node."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from lwm2m_ml.coap import NetworkError, RequestTimeout
from lwm2m_ml.coap.dtls12 import Stored
from lwm2m_ml.coap.dtls_cid import Holders, MemorySessions, RestingSession, TakenSession
from lwm2m_ml.coap.dtls_cid.keeping import NUMBERS
from lwm2m_ml.server.absent import AbsentPeer

if TYPE_CHECKING:
    from lwm2m_ml.coap import CoapEndpoint
    from lwm2m_ml.coap.dtls_cid.peer import SessionRemote
    from lwm2m_ml.coap.dtls_cid.transport import CidTransport
    from tests.coap.conftest import Store
    from tests.coap.dtls_cid.conftest import Get, Listen, Nat, StartDevice

    Transports = Callable[[CoapEndpoint], CidTransport]
    Serve = Callable[[], Awaitable[CoapEndpoint]]

KEY = b"0123456789abcdef"
PATIENCE = 30.0


class Counting(MemorySessions):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.largest = 0
        self.fails = False

    async def find(self, keys: Sequence[str]) -> Sequence[RestingSession]:
        self.asked["queries"] += 1
        self.asked["keys"] += len(keys)
        self.largest = max(self.largest, len(keys))
        if self.fails:
            raise OSError("the store is gone")
        return await super().find(keys)

    async def take(self, identity: str, key: str, count: int) -> TakenSession | None:
        self.asked["takes"] += 1
        return await super().take(identity, key, count)


@pytest.fixture
def states() -> Counting:
    return Counting()


@pytest.fixture
def serve(listen: Listen, store: Store, nat: Nat, states: Counting) -> Serve:
    """Start a server on the same store, to which the NAT forwards from now on."""

    async def serve_one() -> CoapEndpoint:
        store.keys["device-1"] = KEY
        endpoint = await listen(store, states=states)
        nat.server = endpoint.local_address
        return endpoint

    return serve_one


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def only_peer(transport: CidTransport) -> SessionRemote:
    (peer,) = transport._peers.all()
    return peer


async def kept(transport: CidTransport) -> None:
    """Until the session of the only peer is stored."""
    peer = only_peer(transport)
    assert transport.stored is not None
    transport.stored.keep(peer)
    await until(lambda: peer.session is not None and peer.session.stored is Stored.HELD)


async def kill(endpoint: CoapEndpoint, transport: CidTransport) -> None:
    """End an endpoint that has no time to say or store anything."""
    transport.stored = None
    for peer in transport._peers.all():
        transport._peers.forget(peer)
    await endpoint.close()


async def test_after_an_orderly_restart_no_handshake_and_no_proof_is_needed(
    serve: Serve, device: StartDevice, nat: Nat, get: Get
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await first.close()
    await serve()
    sent = len(nat.sent)
    with capture_logs() as logs:
        assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"
    assert [datagram[0] for datagram in nat.sent[sent:]] == [25]
    assert logs == []


async def test_after_a_kill_no_handshake_is_needed(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await kept(transports(first))
    await kill(first, transports(first))
    again = await serve()
    sent = len(nat.sent)
    assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"
    assert [datagram[0] for datagram in nat.sent[sent:]] == [25, 25, 25], "the request, the proof, the request again"
    assert (await again.request(get("value", only_peer(transports(again))))).payload == b"1"


async def test_after_a_kill_the_device_may_have_another_address(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await kept(transports(first))
    await kill(first, transports(first))
    await nat.forget()
    again = await serve()
    assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"
    assert (await again.request(get("value", only_peer(transports(again))))).payload == b"1"


async def test_a_session_may_be_killed_again_and_again(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports
) -> None:
    endpoint, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await kept(transports(endpoint))
    for _ in range(3):
        await kill(endpoint, transports(endpoint))
        endpoint = await serve()
        assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"
    assert [sent[0] for sent in nat.sent].count(22) == 3, "two hellos and a key exchange"


@pytest.mark.parametrize("killed", [True, False])
async def test_the_server_speaks_first_after_a_restart(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports, killed: bool
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await kept(transports(first))
    host, port = only_peer(transports(first)).address
    await (kill(first, transports(first)) if killed else first.close())
    again = await serve()
    stored = transports(again).stored
    assert stored is not None
    peer = stored.resting_peer("psk:device-1", host, port)
    assert peer is not None
    assert (await again.request(get("value", peer))).payload == b"1"
    assert only_peer(transports(again)) is peer
    assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"


async def test_who_has_no_session_is_not_waited_for(serve: Serve, get: Get, transports: Transports) -> None:
    endpoint = await serve()
    stored = transports(endpoint).stored
    assert stored is not None
    peer = stored.resting_peer("psk:device-1", "127.0.0.1", 9)
    assert peer is not None
    with pytest.raises(NetworkError, match="no session"):
        await endpoint.request(get("value", peer))
    assert stored.resting_peer("psk:device-1", "2001:db8::1", 9) is peer
    assert stored.resting_peer("psk:device-2", "2001:db8::1", 9) is None, "an IPv4 socket"


async def test_a_device_that_makes_a_handshake_is_the_peer_that_was_waited_for(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports
) -> None:
    endpoint = await serve()
    stored = transports(endpoint).stored
    assert stored is not None
    peer = stored.resting_peer("psk:device-1", "127.0.0.1", 9)
    client = await device()
    await client.request(get("who", nat.address))
    assert only_peer(transports(endpoint)) is peer


async def test_what_an_earlier_process_had_of_a_peer_that_left_is_removed(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports, states: Counting
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await first.close()
    assert list(states.rows) == ["psk:device-1"]
    stored = transports(await serve()).stored
    assert stored is not None
    stored.keep_no_more(AbsentPeer("coap", "127.0.0.1", 9, "psk:device-1"))
    stored.keep_no_more(AbsentPeer("coaps", "127.0.0.1", 9, None))
    await asyncio.sleep(0.3)
    assert list(states.rows) == ["psk:device-1"]
    stored.keep_no_more(AbsentPeer("coaps", "127.0.0.1", 9, "psk:device-1"))
    await until(lambda: not states.rows)


# Replay


async def test_what_was_sent_before_a_kill_is_not_heard_again(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await kept(transports(first))
    for _ in range(3):
        await client.request(get("who", nat.address))
    recorded = [sent for sent in nat.sent if sent[0] == 25]
    where = only_peer(transports(first)).socket_address
    await kill(first, transports(first))
    again = transports(await serve())
    nat.stops_outwards = True
    for datagram in recorded:
        again.datagram_received(datagram, where)
    await until(lambda: bool(again._peers.all()))
    for datagram in recorded:
        again.datagram_received(datagram, where)
    assert only_peer(again).bytes_in == 0
    assert only_peer(again).doubted
    nat.stops_outwards = False
    assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"
    heard = only_peer(again).bytes_in
    for datagram in recorded:
        again.datagram_received(datagram, where)
    assert only_peer(again).bytes_in == heard


async def test_what_was_heard_before_an_orderly_restart_is_not_heard_again(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports, states: Counting
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    where = only_peer(transports(first)).socket_address
    await first.close()
    again = transports(await serve())
    again.datagram_received(nat.sent[-1], where)
    await until(lambda: bool(states.asked["keys"]))
    await asyncio.sleep(0.05)
    assert again._peers.all() == [], "it does not even open"
    assert states.asked["takes"] == 0


async def test_who_proves_nothing_is_given_up(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await kept(transports(first))
    for _ in range(20):
        await client.request(get("who", nat.address))
    where = only_peer(transports(first)).socket_address
    await kill(first, transports(first))
    again = transports(await serve())
    nat.stops_outwards = True
    with capture_logs() as logs:
        for datagram in [sent for sent in nat.sent if sent[0] == 25]:
            again.datagram_received(datagram, where)
            await asyncio.sleep(0.02)
    assert [log["event"] for log in logs] == ["A DTLS session does not go on"]
    assert again._peers.all() == []


# Other nodes


class Cluster(Counting):
    """Two nodes on one store, one of which acts for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = ("one", 1)

    def give(self, name: str) -> None:
        self.owner = (name, self.owner[1] + 1)

    def holder_of(self, name: str) -> Callable[[str], int | None]:
        return lambda _identity: self.owner[1] if self.owner[0] == name else None

    async def keep(self, sessions: Sequence[tuple[RestingSession, int]], *, complete: bool = False) -> Holders:
        return dict.fromkeys(await super().keep(sessions, complete=complete), self.owner[1])

    async def hold(self, sessions: Sequence[RestingSession]) -> Holders:
        return dict.fromkeys(await super().hold(sessions), self.owner[1])


@pytest.fixture
async def nodes(listen: Listen, store: Store) -> tuple[Cluster, dict[str, CoapEndpoint]]:
    store.keys["device-1"] = KEY
    states = Cluster()
    return states, {
        name: await listen(store, states=states, holder_of=states.holder_of(name)) for name in ("one", "other")
    }


Nodes = tuple[Cluster, dict[str, "CoapEndpoint"]]


async def test_a_device_moves_to_a_node_that_lives_and_back(
    nodes: Nodes, device: StartDevice, nat: Nat, get: Get, transports: Transports
) -> None:
    states, endpoints = nodes
    client = await device()
    for name in ("one", "other", "one", "other"):
        states.give(name)
        nat.server = endpoints[name].local_address
        assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"
        await kept(transports(endpoints[name]))
        assert (await endpoints[name].request(get("value", only_peer(transports(endpoints[name]))))).payload == b"1"
    assert [sent[0] for sent in nat.sent].count(22) == 3, "two hellos and a key exchange"


async def test_a_node_that_was_stopped_for_a_while_hears_nothing_that_another_one_heard(
    nodes: Nodes, device: StartDevice, nat: Nat, get: Get, transports: Transports
) -> None:
    states, endpoints = nodes
    one, client = transports(endpoints["one"]), await device()
    nat.server = endpoints["one"].local_address
    await client.request(get("who", nat.address))
    await kept(one)
    former = only_peer(one)
    where, heard = former.socket_address, former.bytes_in
    states.give("other")
    nat.server = endpoints["other"].local_address
    await client.request(get("who", nat.address))
    nat.stops_outwards = True
    recorded = nat.sent[-3:]
    states.give("one")
    for datagram in recorded:
        one.datagram_received(datagram, where)
    await until(lambda: former.session is not None)
    assert former.doubted
    for datagram in recorded:
        one.datagram_received(datagram, where)
    assert former.bytes_in == heard


async def test_a_node_that_was_told_forgets_the_session_at_once(
    nodes: Nodes, device: StartDevice, nat: Nat, get: Get, transports: Transports
) -> None:
    _, endpoints = nodes
    one, client = transports(endpoints["one"]), await device()
    nat.server = endpoints["one"].local_address
    await client.request(get("who", nat.address))
    peer = only_peer(one)
    assert one.stored is not None
    one.stored.let_go(peer)
    assert one._peers.all() == [peer], "nobody else can have what is not stored"
    await kept(one)
    one.stored.let_go(peer)
    assert one._peers.all() == []


async def test_a_former_holder_gets_no_numbers_and_forgets(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports, states: Counting
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await kept(transports(first))
    peer = only_peer(transports(first))
    states.rows.clear()  # as if another identity's holder had it
    assert peer.session is not None
    limit = peer.session.limit
    peer.session.grant(range(limit + 1, limit + 3))  # short of numbers
    for _ in range(2):
        transports(first).send(b"\x40\x00\x00\x01", peer)
    await until(lambda: peer.session is None)
    assert transports(first)._peers.all() == []


async def test_a_busy_session_gets_more_numbers_in_time(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports, states: Counting
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await kept(transports(first))
    peer = only_peer(transports(first))
    assert peer.session is not None
    limit = peer.session.limit
    states.rows["psk:device-1"].next_number = limit + 20  # another node took some
    peer.session.grant(range(limit + 1, limit + 3))
    for _ in range(2):
        await client.request(get("who", nat.address))
    await until(lambda: peer.session is not None and peer.session.limit == limit + 20 + NUMBERS)
    assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"


async def test_a_session_whose_credential_is_gone_does_not_go_on(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, transports: Transports, store: Store
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await first.close()
    again = await serve()
    store.keys.clear()
    with pytest.raises((NetworkError, RequestTimeout)):
        await client.request(get("who", nat.address))
    assert transports(again)._peers.all() == []


async def test_a_damaged_session_is_left_out_and_said(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, states: Counting
) -> None:
    first, client = await serve(), await device()
    await client.request(get("who", nat.address))
    await first.close()
    (row,) = states.rows.values()
    row.session = RestingSession(row.session.identity, row.session.key, row.session.address, b"no session")
    await serve()
    with capture_logs() as logs, pytest.raises((NetworkError, RequestTimeout)):
        await client.request(get("who", nat.address))
    assert "A DTLS session is lost" in {log["event"] for log in logs}


async def test_a_peer_without_connection_id_is_known_by_its_address(
    serve: Serve, device: StartDevice, nat: Nat, get: Get, states: Counting, transports: Transports
) -> None:
    first, client = await serve(), await device()
    handshakes = transports(first)._handshakes
    handshakes._policy = replace(handshakes._policy, new_cid=None)
    await client.request(get("who", nat.address))
    assert only_peer(transports(first)).session.own_cid == b""  # type: ignore[union-attr]
    await kept(transports(first))
    await kill(first, transports(first))
    await serve()
    sent = len(nat.sent)
    assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"
    assert {datagram[0] for datagram in nat.sent[sent:]} == {23}
