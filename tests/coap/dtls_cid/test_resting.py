"""Sessions that outlive their process, or go on at another node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from lwm2m_ml.coap import NetworkError, RequestTimeout
from lwm2m_ml.coap.dtls12 import UnusableSession
from lwm2m_ml.coap.dtls_cid import MemorySessions, RestingSession

if TYPE_CHECKING:
    from lwm2m_ml.coap import CoapEndpoint
    from lwm2m_ml.coap.dtls_cid.transport import CidTransport
    from tests.coap.conftest import Store
    from tests.coap.dtls_cid.conftest import Get, Listen, Nat, StartDevice

    Transports = Callable[[CoapEndpoint], CidTransport]

KEY = b"0123456789abcdef"


@pytest.fixture
def states() -> MemorySessions:
    return MemorySessions()


async def restarted(listen: Listen, store: Store, nat: Nat, states: MemorySessions) -> CoapEndpoint:
    """Another server, to which the NAT forwards from now on."""
    again = await listen(store, states=states)
    nat.server = again.local_address
    return again


async def test_after_a_restart_no_handshake_is_needed(
    listen: Listen, store: Store, device: StartDevice, nat: Nat, get: Get, states: MemorySessions
) -> None:
    store.keys["device-1"] = KEY
    first = await restarted(listen, store, nat, states)
    client = await device()
    await client.request(get("who", nat.address))
    await first.close()
    await restarted(listen, store, nat, states)
    sent = len(nat.sent)
    assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"
    assert [datagram[0] for datagram in nat.sent[sent:]] == [25]


async def test_the_server_reaches_its_devices_right_after_a_restart(
    listen: Listen,
    store: Store,
    device: StartDevice,
    nat: Nat,
    get: Get,
    states: MemorySessions,
    transports: Transports,
) -> None:
    first = await restarted(listen, store, nat, states)
    client = await device()
    await client.request(get("who", nat.address))
    await first.close()
    again = await restarted(listen, store, nat, states)
    (peer,) = transports(again)._peers.all()
    assert (await again.request(get("value", peer))).payload == b"1"


async def test_what_was_heard_before_a_restart_is_not_heard_again(
    listen: Listen,
    store: Store,
    device: StartDevice,
    nat: Nat,
    get: Get,
    states: MemorySessions,
    transports: Transports,
) -> None:
    first = await restarted(listen, store, nat, states)
    client = await device()
    await client.request(get("who", nat.address))
    heard_before = nat.sent[-1]
    await first.close()
    transport = transports(await restarted(listen, store, nat, states))
    (peer,) = transport._peers.all()
    transport.datagram_received(heard_before, peer.socket_address)
    assert peer.bytes_in == 0


async def test_a_session_whose_credential_is_gone_does_not_go_on(
    listen: Listen,
    store: Store,
    device: StartDevice,
    nat: Nat,
    get: Get,
    states: MemorySessions,
    transports: Transports,
) -> None:
    first = await restarted(listen, store, nat, states)
    client = await device()
    await client.request(get("who", nat.address))
    await first.close()
    store.keys.clear()
    again = await restarted(listen, store, nat, states)
    assert transports(again)._peers.all() == []
    with pytest.raises((NetworkError, RequestTimeout)):
        await client.request(get("who", nat.address))


async def test_a_session_is_taken_once(listen: Listen, store: Store, states: MemorySessions) -> None:
    await states.save([RestingSession("psk:device-1", ("127.0.0.1", 1), b"")])
    assert len(await states.take()) == 1
    assert await states.take() == []


async def test_a_damaged_session_is_left_out_and_said(listen: Listen, store: Store, states: MemorySessions) -> None:
    store.keys["device-1"] = KEY
    await states.save([RestingSession("psk:device-1", ("127.0.0.1", 1), b"no session")])
    with capture_logs() as logs:
        await listen(store, states=states)
    assert [log["event"] for log in logs] == ["A DTLS session is lost"]


async def test_a_session_moves_to_another_node(
    listen: Listen, store: Store, device: StartDevice, nat: Nat, get: Get, transports: Transports, server: CoapEndpoint
) -> None:
    client = await device()
    await client.request(get("who", nat.address))
    here, there = transports(server), transports(await listen(store))
    (peer,) = here._peers.all()
    given = here.give_away(peer)
    assert given is not None
    assert here._peers.all() == []
    assert here.give_away(peer) is None, "it can be given away once"
    moved = there.take_over(given)
    nat.server = there.local_address
    assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"
    assert there._peers.all() == [moved]


async def test_nothing_is_sent_under_a_session_that_was_given_away(
    device: StartDevice, nat: Nat, get: Get, transports: Transports, server: CoapEndpoint
) -> None:
    client = await device()
    await client.request(get("who", nat.address))
    transport = transports(server)
    (peer,) = transport._peers.all()
    session = peer.session
    transport.give_away(peer)
    assert session is not None
    with pytest.raises(UnusableSession):
        session.seal(b"")
    with pytest.raises(RequestTimeout):
        await asyncio.wait_for(server.request(get("value", peer)), 10)


def test_no_key_shows_in_a_session_at_rest() -> None:
    assert "secret" not in repr(RestingSession("psk:x", ("127.0.0.1", 1), b"secret"))
