"""RFC 9175 §2.4: an address that has proved nothing gets little."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiocoap
import pytest

from lwm2m_ml.coap import CoapEndpoint, CoapSettings, FastAnswer, FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.codec import RawMessage, encode
from lwm2m_ml.coap.echo import LIFETIME, EchoChallenges
from lwm2m_ml.coap.numbers import ACK, CON, CONTENT, EMPTY, GET, NO_RESPONSE, POST, RST, UNAUTHORIZED

if TYPE_CHECKING:
    from tests.coap.conftest import Bind, RawPeer

BODY = bytes(range(256)) * 40
FACTOR = CoapSettings().amplification_factor
ECHO = 252
BLOCK2 = 23


def serve(request: FastRequest) -> FastAnswer:
    if request.path[-1] == "large-options":
        return FastResponse(CONTENT, b"x" * 20, location_path=("y" * 100,))
    return FastResponse(CONTENT, BODY)


@pytest.fixture
async def server(bind: Bind) -> CoapEndpoint:
    handlers = FastHandlers()
    handlers.add(GET, "packages", serve)
    handlers.add(POST, "packages", serve)
    handlers.add(GET, "encoded", lambda _: (CONTENT, b"\xff" + BODY[:500]))
    return await bind(fast_handlers=handlers)


def get(message_id: int, *options: tuple[int, bytes], name: bytes = b"aZ3cQ9xLm2Vb7TtR") -> RawMessage:
    return RawMessage(CON, GET, message_id, b"t", [(11, b"packages"), (11, name), *options])


async def test_an_unproven_address_gets_a_small_block_and_a_challenge(server: CoapEndpoint, peer: RawPeer) -> None:
    request = get(1)
    answer = await peer.ask(server.local_address, request)
    options = dict(answer.options)
    assert len(encode(answer)) <= FACTOR * len(encode(request))
    assert answer.payload == BODY[: len(answer.payload)]
    assert ECHO in options
    assert BLOCK2 in options


async def test_who_returns_the_challenge_gets_large_blocks(server: CoapEndpoint, peer: RawPeer) -> None:
    challenge = dict((await peer.ask(server.local_address, get(1))).options)[ECHO]
    answer = await peer.ask(server.local_address, get(2, (ECHO, challenge)))
    assert answer.payload == BODY[:1024]
    assert len((await peer.ask(server.local_address, get(3))).payload) == 1024


async def test_the_challenge_of_one_address_proves_nothing_for_another(
    server: CoapEndpoint, peer: RawPeer, other_peer: RawPeer
) -> None:
    challenge = dict((await peer.ask(server.local_address, get(1))).options)[ECHO]
    answer = await other_peer.ask(server.local_address, get(2, (ECHO, challenge)))
    assert len(answer.payload) < 1024


async def test_what_a_handler_encoded_itself_waits_for_the_proof(server: CoapEndpoint, peer: RawPeer) -> None:
    ask = RawMessage(CON, GET, 1, b"t", [(11, b"encoded")])
    demand = await peer.ask(server.local_address, ask)
    assert demand.code == UNAUTHORIZED
    proof = [(11, b"encoded"), (ECHO, dict(demand.options)[ECHO])]
    assert (await peer.ask(server.local_address, RawMessage(CON, GET, 2, b"t", proof))).payload == BODY[:500]
    unwanted = RawMessage(CON, GET, 3, b"t", [(11, b"encoded"), (NO_RESPONSE, b"\x02")])
    assert (await peer.ask(server.local_address, unwanted)).code == EMPTY


@pytest.mark.parametrize("value", [b"\x00", bytes(12), b"\xff" * 40])
async def test_an_invented_challenge_proves_nothing(server: CoapEndpoint, peer: RawPeer, value: bytes) -> None:
    assert len((await peer.ask(server.local_address, get(1, (ECHO, value)))).payload) < 1024


async def test_an_address_that_acknowledged_a_message_of_ours_is_proven(server: CoapEndpoint, peer: RawPeer) -> None:
    observe = aiocoap.Message(code=aiocoap.GET, uri_path=["3"])
    observe.remote = server.remote(*peer.address)
    waiting = server.observe(observe, lambda _: None)
    task = asyncio.ensure_future(waiting)
    request = await peer.receive()
    await peer.send(server.local_address, RawMessage(ACK, CONTENT, request.message_id, request.token))
    await task
    assert (await peer.ask(server.local_address, get(1))).payload == BODY[:1024]


async def test_a_reset_proves_nothing(server: CoapEndpoint, peer: RawPeer) -> None:
    await peer.send(server.local_address, RawMessage(RST, 0, 77))
    assert len((await peer.ask(server.local_address, get(1))).payload) < 1024


async def test_a_client_without_echo_gets_the_whole_body_in_small_blocks(server: CoapEndpoint, peer: RawPeer) -> None:
    body = b""
    number = 0
    more = True
    while more:
        answer = await peer.ask(server.local_address, get(number, (BLOCK2, (number << 4 | 2).to_bytes(3))))
        value = int.from_bytes(dict(answer.options)[BLOCK2], "big")
        assert value >> 4 == number
        more = bool(value & 8)
        body += answer.payload
        number += 1
    assert body == BODY


async def test_what_cannot_be_made_small_is_answered_unauthorized(server: CoapEndpoint, peer: RawPeer) -> None:
    answer = await peer.ask(server.local_address, get(1, name=b"large-options"))
    assert (answer.code, [number for number, _ in answer.options]) == (0x81, [ECHO])


async def test_our_client_proves_itself_and_gets_large_blocks(bind: Bind, server: CoapEndpoint) -> None:
    client = await bind()
    message = aiocoap.Message(code=aiocoap.GET, uri_path=["packages", "x"])
    message.remote = client.remote(*server.local_address)
    assert (await client.request(message)).payload == BODY
    received = message.remote.bytes_in
    assert received < len(BODY) + 12 * 40


async def test_one_block_asked_for_by_hand_is_of_the_size_asked_for(bind: Bind, server: CoapEndpoint) -> None:
    client = await bind()
    message = aiocoap.Message(code=aiocoap.GET, uri_path=["packages", "x"], block2=(3, False, 5))
    message.remote = client.remote(*server.local_address)
    response = await client.request(message)
    assert response.payload == BODY[1536:2048]
    assert tuple(response.opt.block2) == (3, True, 5)


async def test_the_guard_can_be_switched_off(bind: Bind, peer: RawPeer) -> None:
    handlers = FastHandlers()
    handlers.add(GET, "packages", serve)
    server = await bind(fast_handlers=handlers, settings=CoapSettings(amplification_factor=0))
    assert len((await peer.ask(server.local_address, get(1))).payload) == 1024


def test_a_challenge_is_good_for_some_minutes_only() -> None:
    challenges = EchoChallenges()
    here = ("192.0.2.1", 5683)
    value = challenges.challenge(here, 1000.0)
    assert challenges.proves(value, here, 1000.0 + LIFETIME)
    assert not challenges.proves(value, here, 1002.0 + LIFETIME)
    assert not challenges.proves(value, ("192.0.2.1", 5684), 1000.0)
    assert not EchoChallenges().proves(value, here, 1000.0)
