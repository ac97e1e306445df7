"""Peers that move: behind a NAT that forgets, and with somebody on the way who sends their records from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from lwm2m_ml.coap.codec import encode_options, header, parse
from lwm2m_ml.coap.dtls12.numbers import HANDSHAKE
from lwm2m_ml.coap.dtls_cid.paths import MOST_SENT, MOST_WAITING, Path, Revival, token_of
from lwm2m_ml.coap.echo import EchoChallenges
from lwm2m_ml.coap.numbers import ACK, BLOCK2, CON, CONTENT, ECHO, GET, NON, NOT_FOUND, UNAUTHORIZED, URI_PATH
from lwm2m_ml.coap.options import first

if TYPE_CHECKING:
    from lwm2m_ml.coap import CoapEndpoint
    from lwm2m_ml.coap.dtls_cid.peer import SessionRemote
    from lwm2m_ml.coap.dtls_cid.transport import CidTransport
    from tests.coap.conftest import RawPeer
    from tests.coap.dtls_cid.conftest import Get, Nat, StartDevice, Value

    Transports = Callable[[CoapEndpoint], CidTransport]

BODY = bytes(range(256)) * 20
ELSEWHERE = ("127.0.0.1", 9)
CHALLENGES = EchoChallenges()


def only_peer(transport: CidTransport) -> SessionRemote:
    (peer,) = transport._peers.all()
    return peer


async def test_a_session_goes_on_behind_another_binding(
    device: StartDevice, nat: Nat, get: Get, transport: CidTransport
) -> None:
    client = await device()
    await client.request(get("who", nat.address))
    peer = only_peer(transport)
    before = peer.socket_address
    for _ in range(3):
        await nat.forget()
        assert (await client.request(get("who", nat.address))).payload == b"psk:device-1"
    assert only_peer(transport) is peer, "no other session was made"
    assert peer.socket_address != before
    handshakes = [sent for sent in nat.sent if sent[0] == 22]
    assert len(handshakes) == 3, "two hellos and a key exchange"


async def test_the_server_reaches_a_device_that_moved_as_soon_as_it_is_heard(
    device: StartDevice, nat: Nat, get: Get, transport: CidTransport, server: CoapEndpoint
) -> None:
    client = await device()
    await client.request(get("who", nat.address))
    await nat.forget()
    await client.request(get("who", nat.address))
    assert (await server.request(get("value", only_peer(transport)))).payload == b"1"


async def test_an_observation_by_the_server_survives(
    device: StartDevice, nat: Nat, get: Get, transport: CidTransport, server: CoapEndpoint, value: Value
) -> None:
    client = await device()
    await client.request(get("who", nat.address))
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    message = get("value", only_peer(transport))
    message.opt.observe = 0
    observation = await server.observe(message, lambda response: heard.put_nowait(response.payload))
    for number in range(3):
        await nat.forget()
        value.change(f"after {number} moves".encode())
        assert await asyncio.wait_for(heard.get(), 5) == value.value, "a notification needs no request before it"
    observation.forget()


async def test_an_observation_by_the_device_survives(device: StartDevice, nat: Nat, get: Get, value: Value) -> None:
    client = await device()
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    message = get("value", nat.address)
    message.opt.observe = 0
    observation = await client.observe(message, lambda response: heard.put_nowait(response.payload))
    await nat.forget()
    await client.request(get("who", nat.address))
    value.change(b"changed")
    assert await asyncio.wait_for(heard.get(), 5) == b"changed"
    observation.forget()


@pytest.mark.parametrize("every", [2, 5])
async def test_a_block_transfer_survives(device: StartDevice, nat: Nat, get: Get, every: int) -> None:
    client = await device()
    await client.request(get("who", nat.address))
    task = asyncio.create_task(client.request(get("large", nat.address)))
    seen = 0
    while not task.done():
        await asyncio.sleep(0)
        if len(nat.sent) >= seen + every:
            seen = len(nat.sent)
            await nat.forget()
    assert (await task).payload == BODY
    assert seen > 3


# Somebody on the way


async def drawn(server: CoapEndpoint, stranger: RawPeer, hello: bytes, datagram: bytes) -> list[bytes]:
    """What the server sends to a stranger for a datagram; the answer to a hello after it marks the end."""
    await stranger.send(server.local_address, datagram)
    await stranger.send(server.local_address, hello)
    sent: list[bytes] = []
    for _ in range(10):
        answer, _ = await stranger.receive_bytes()
        if answer[0] == HANDSHAKE:
            return sent
        sent.append(answer)
    raise AssertionError("the server does not stop")


async def test_a_record_that_is_sent_again_from_elsewhere_moves_nobody(
    device: StartDevice, nat: Nat, get: Get, transport: CidTransport, server: CoapEndpoint, other_peer: RawPeer
) -> None:
    client = await device()
    await client.request(get("who", nat.address))
    peer = only_peer(transport)
    before = peer.socket_address
    assert await drawn(server, other_peer, nat.sent[0], nat.sent[-1]) == []
    assert peer.socket_address == before
    assert peer.path is None


async def test_who_is_faster_than_the_device_moves_it_nowhere_and_draws_little(
    device: StartDevice, nat: Nat, get: Get, transport: CidTransport, server: CoapEndpoint, other_peer: RawPeer
) -> None:
    """CID spoofing: a record is caught and sent from a victim's address before the server has seen it."""
    client = await device()
    await client.request(get("who", nat.address))
    peer = only_peer(transport)
    before = peer.socket_address
    nat.stops_outwards = True
    task = asyncio.create_task(client.request(get("large", nat.address)))
    sent = len(nat.sent)
    async with asyncio.timeout(5):
        while len(nat.sent) == sent:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    sent_there = await drawn(server, other_peer, nat.sent[0], nat.sent[-1])
    assert len(sent_there) == 1
    assert len(sent_there[0]) <= MOST_SENT * len(nat.sent[-1])
    assert peer.socket_address == before
    nat.stops_outwards = False
    assert (await task).payload == BODY, "the device repeats its request, and is where it was"
    assert peer.socket_address == before


async def test_a_record_under_a_guessed_connection_id_is_dropped(
    device: StartDevice, nat: Nat, get: Get, transport: CidTransport
) -> None:
    client = await device()
    await client.request(get("who", nat.address))
    session = only_peer(transport).session
    assert session is not None
    genuine = nat.sent[-1]
    for forged in (genuine[:-1] + bytes((genuine[-1] ^ 1,)), genuine.replace(session.own_cid, bytes(8))):
        transport.datagram_received(forged, ELSEWHERE)
    assert only_peer(transport).path is None


# The path alone


def get_request(message_id: int = 7, token: bytes = b"tk", echo: bytes | None = None) -> bytes:
    options = [(URI_PATH, b"who"), *([] if echo is None else [(ECHO, echo)])]
    return header(CON, GET, message_id, token) + encode_options(options)


def test_a_reset_of_the_question_is_the_proof() -> None:
    challenges, path = EchoChallenges(), Path(ELSEWHERE)
    assert not path.hear(get_request(), 60, challenges, 0.0)
    question = parse(path.question(get_request(), challenges, 0.0))
    assert (question.code, path.waiting) == (0, [get_request()])
    wrong = b"\x70\x00" + ((question.message_id + 1) & 0xFFFF).to_bytes(2)
    assert not path.hear(wrong, 40, challenges, 0.0)
    assert path.hear(b"\x70\x00" + question.message_id.to_bytes(2), 40, challenges, 0.0)


def test_a_request_that_comes_again_gets_an_echo_and_its_value_is_the_proof() -> None:
    challenges, path = EchoChallenges(), Path(ELSEWHERE)
    path.hear(get_request(), 60, challenges, 0.0)
    path.question(get_request(), challenges, 0.0)
    answer = parse(path.question(get_request(), challenges, 1.0))
    assert (answer.code, answer.token, answer.message_id) == (UNAUTHORIZED, b"tk", 7)
    assert path.waiting == [], "the device asks anew"
    value = first(answer.options, ECHO)
    assert value is not None
    assert path.hear(get_request(8, echo=value), 80, challenges, 2.0)
    other = Path(("127.0.0.1", 10))
    assert not other.hear(get_request(8, echo=value), 80, challenges, 2.0), "it is bound to the address"


def test_few_messages_wait() -> None:
    challenges, path = EchoChallenges(), Path(ELSEWHERE)
    for message_id in range(50):
        path.question(get_request(message_id), challenges, 0.0)
    assert len(path.waiting) == MOST_WAITING


def test_no_more_than_three_times_what_came_is_sent() -> None:
    path = Path(ELSEWHERE)
    path.hear(get_request(), 50, EchoChallenges(), 0.0)
    assert path.may_send(100)
    assert path.may_send(50)
    assert not path.may_send(1)


@pytest.mark.parametrize(
    "message", [b"", b"\x40", b"\x4f\x01\x00\x01", b"\x41\x01\x00\x01", get_request()[:-1] + b"\xff"]
)
def test_odd_messages_prove_nothing(message: bytes) -> None:
    assert not Path(ELSEWHERE).hear(message, 50, EchoChallenges(), 0.0)


# Whether it is the peer, now


def request(message_id: int = 1, options: list[tuple[int, bytes]] | None = None) -> bytes:
    return header(CON, GET, message_id, b"tokn") + encode_options(options or [(URI_PATH, b"who")])


def asked(revival: Revival, message: bytes) -> bytes:
    assert not revival.hear(message, 100, CHALLENGES, 0.0)
    return revival.question(message, CHALLENGES, 0.0)


def test_a_session_that_is_doubted_asks_by_a_get_of_little() -> None:
    question = parse(asked(Revival(ELSEWHERE), request()))
    assert (question.type, question.code) == (CON, GET)
    assert len(question.token) == 8
    assert question.options == [(URI_PATH, b".well-known"), (URI_PATH, b"core"), (BLOCK2, b"")]


@pytest.mark.parametrize("kind", [ACK, CON, NON])
@pytest.mark.parametrize("code", [CONTENT, NOT_FOUND, UNAUTHORIZED])
def test_any_response_with_the_token_is_the_proof(kind: int, code: int) -> None:
    revival = Revival(ELSEWHERE)
    token = parse(asked(revival, request())).token
    assert not revival.hear(header(kind, code, 7, token[:7] + b"x"), 20, CHALLENGES, 0.0)
    assert not revival.hear(header(kind, code, 7, b""), 20, CHALLENGES, 0.0)
    assert not revival.hear(header(kind, GET, 7, token), 20, CHALLENGES, 0.0), "a request is none"
    assert revival.hear(header(kind, code, 7, token), 20, CHALLENGES, 0.0)


def test_a_reset_proves_nothing_there_as_its_message_id_is_too_short() -> None:
    revival = Revival(ELSEWHERE)
    question = asked(revival, request())
    assert not revival.hear(b"\x70\x00" + question[2:4], 4, CHALLENGES, 0.0)


def test_who_answers_no_get_is_asked_by_echo_and_proves_it_by_that() -> None:
    revival = Revival(ELSEWHERE)
    codes = [parse(asked(revival, request())).code for _ in range(3)]
    assert codes == [GET, GET, UNAUTHORIZED]
    value = first(parse(asked(revival, request())).options, ECHO)
    assert value is not None
    assert not revival.hear(request(2, [(ECHO, value[:-1])]), 100, CHALLENGES, 0.0)
    assert not revival.hear(request(2, [(ECHO, CHALLENGES.challenge(ELSEWHERE, 0.0))]), 100, CHALLENGES, 0.0)
    assert revival.hear(request(2, [(ECHO, value)]), 100, CHALLENGES, 0.0)


def test_what_is_said_before_the_proof_is_not_kept() -> None:
    revival = Revival(ELSEWHERE)
    for number in range(20):
        asked(revival, request(number))
    assert revival.waiting == []
    assert revival.is_hopeless


def test_a_request_of_ours_is_a_question_too() -> None:
    sent = header(CON, GET, 5, b"8 bytes!")
    revival = Revival(ELSEWHERE, token_of(sent))
    assert revival.hear(header(ACK, CONTENT, 5, b"8 bytes!"), 20, CHALLENGES, 0.0)
    assert token_of(header(ACK, CONTENT, 5, b"8 bytes!")) == b""
    assert not Revival(ELSEWHERE, b"short").hear(header(ACK, CONTENT, 5, b"short"), 20, CHALLENGES, 0.0)
