"""RFC 7252 §4, message by message, over real sockets."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import aiocoap
import pytest

from lwm2m_ml.coap import (
    CoapEndpoint,
    CoapSettings,
    FastAnswer,
    FastHandlers,
    FastRequest,
    FastResponse,
    PeerBusy,
    PeerReset,
    PendingResponse,
    RequestTimeout,
)
from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.numbers import ACK, CHANGED, CON, CONTENT, EMPTY, GET, NON, POST, RST

if TYPE_CHECKING:
    from tests.coap.conftest import Bind, RawPeer

PATH = [(11, b"count")]


class Counter:
    """A handler that tells how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _request: FastRequest) -> FastAnswer:
        self.calls += 1
        return FastResponse(CONTENT, b"%d" % self.calls)


class Later:
    """A handler whose answer comes when the test says so."""

    def __init__(self) -> None:
        self.pending = PendingResponse()

    def __call__(self, _request: FastRequest) -> FastAnswer:
        return self.pending


def get_to(endpoint: CoapEndpoint, peer: RawPeer, path: str = "x") -> aiocoap.Message:
    message = aiocoap.Message(code=aiocoap.GET, uri_path=[path])
    message.remote = endpoint.remote(*peer.address)
    return message


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
async def server(bind: Bind, counter: Counter) -> CoapEndpoint:
    handlers = FastHandlers()
    handlers.add(GET, "count", counter)
    return await bind(fast_handlers=handlers)


async def test_a_confirmable_request_gets_a_piggybacked_response(server: CoapEndpoint, peer: RawPeer) -> None:
    answer = await peer.ask(server.local_address, RawMessage(CON, GET, 7, b"tok", PATH))
    assert answer == RawMessage(ACK, CONTENT, 7, b"tok", [], b"1")


async def test_a_non_confirmable_request_gets_a_non_confirmable_response(server: CoapEndpoint, peer: RawPeer) -> None:
    answer = await peer.ask(server.local_address, RawMessage(NON, GET, 7, b"tok", PATH))
    assert (answer.type, answer.code, answer.token, answer.payload) == (NON, CONTENT, b"tok", b"1")


async def test_a_duplicate_gets_the_same_answer_and_is_handled_once(
    server: CoapEndpoint, peer: RawPeer, counter: Counter
) -> None:
    request = RawMessage(CON, GET, 7, b"tok", PATH)
    first = await peer.ask(server.local_address, request)
    assert await peer.ask(server.local_address, request) == first
    assert counter.calls == 1


async def test_the_same_message_id_from_another_port_is_another_message(
    server: CoapEndpoint, peer: RawPeer, other_peer: RawPeer, counter: Counter
) -> None:
    request = RawMessage(CON, GET, 7, b"tok", PATH)
    await peer.ask(server.local_address, request)
    await other_peer.ask(server.local_address, request)
    assert counter.calls == 2


async def test_duplicates_of_a_non_confirmable_request_are_ignored(
    server: CoapEndpoint, peer: RawPeer, counter: Counter
) -> None:
    request = RawMessage(NON, GET, 7, b"tok", PATH)
    await peer.ask(server.local_address, request)
    await peer.send(server.local_address, request)
    assert await peer.hears_nothing(server.local_address)
    assert counter.calls == 1


async def test_a_ping_is_answered_with_reset(server: CoapEndpoint, peer: RawPeer) -> None:
    assert await peer.ask(server.local_address, b"\x40\x00\x12\x34") == RawMessage(RST, EMPTY, 0x1234)


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(b"\x49\x01\x12\x34" + bytes(9), id="token length 9"),
        pytest.param(b"\x40\x01\x12\x34\xff", id="payload marker without payload"),
        pytest.param(b"\x40\x01\x12\x34\xb4rd", id="option cut off"),
        pytest.param(b"\x41\x00\x12\x34T", id="empty message with a token"),
        pytest.param(b"\x40\x20\x12\x34", id="reserved code class"),
        pytest.param(b"\x40\x45\x12\x34\xff", id="malformed response"),
    ],
)
async def test_a_malformed_confirmable_message_is_reset(server: CoapEndpoint, peer: RawPeer, datagram: bytes) -> None:
    assert await peer.ask(server.local_address, datagram) == RawMessage(RST, EMPTY, 0x1234)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x40",
        b"\x80\x01\x12\x34",
        b"\x50\x01\x12\x34\xff",
        b"\x60\x01\x12\x34\xb5count",
        b"\x70\x45\x12\x34",
        b"\x60\x45\x12\x34",
        b"\x50\x01\x12\x34\xd1\x7c\x00",
        b"\x50\x01" + bytes(5000),
    ],
    ids=lambda datagram: datagram[:8].hex() or "nothing",
)
async def test_what_cannot_be_answered_is_ignored(server: CoapEndpoint, peer: RawPeer, datagram: bytes) -> None:
    await peer.send(server.local_address, datagram)
    assert await peer.hears_nothing(server.local_address)


async def test_an_unknown_critical_option_is_answered_bad_option(
    server: CoapEndpoint, peer: RawPeer, counter: Counter
) -> None:
    answer = await peer.ask(server.local_address, RawMessage(CON, GET, 1, b"t", [*PATH, (9999, b"")]))
    assert (answer.code, answer.token) == (0x82, b"t")
    assert counter.calls == 0


async def test_a_request_beyond_the_largest_datagram_is_told_to_come_in_blocks(
    server: CoapEndpoint, peer: RawPeer
) -> None:
    answer = await peer.ask(server.local_address, RawMessage(CON, POST, 1, b"t", [(11, b"rd")], bytes(5000)))
    assert (answer.code, answer.token) == (0x8D, b"t")
    assert [number for number, _ in answer.options] == [60]


async def test_a_path_that_is_not_utf8_is_answered_bad_option(server: CoapEndpoint, peer: RawPeer) -> None:
    answer = await peer.ask(server.local_address, RawMessage(CON, GET, 1, b"t", [(11, b"\xff\xfe")]))
    assert answer.code == 0x82


async def test_a_slow_answer_follows_an_empty_acknowledgement(bind: Bind, peer: RawPeer) -> None:
    later = Later()
    handlers = FastHandlers()
    handlers.add(POST, "slow", later)
    server = await bind(fast_handlers=handlers, settings=CoapSettings(empty_ack_delay=0.01))
    request = RawMessage(CON, POST, 7, b"tok", [(11, b"slow")])
    assert await peer.ask(server.local_address, request) == RawMessage(ACK, EMPTY, 7)
    assert await peer.ask(server.local_address, request) == RawMessage(ACK, EMPTY, 7)
    later.pending.give(FastResponse(CHANGED))
    separate = await peer.receive()
    assert (separate.type, separate.code, separate.token) == (CON, CHANGED, b"tok")
    await peer.send(server.local_address, RawMessage(ACK, EMPTY, separate.message_id))
    assert await peer.hears_nothing(server.local_address)


async def test_an_answer_that_is_ready_in_time_is_piggybacked(bind: Bind, peer: RawPeer) -> None:
    later = Later()
    handlers = FastHandlers()
    handlers.add(POST, "slow", later)
    server = await bind(fast_handlers=handlers)
    await peer.send(server.local_address, RawMessage(CON, POST, 7, b"tok", [(11, b"slow")]))
    asyncio.get_running_loop().call_soon(later.pending.give, FastResponse(CHANGED))
    assert await peer.receive() == RawMessage(ACK, CHANGED, 7, b"tok")


async def test_a_task_that_fails_is_answered_5_00_and_a_cancelled_one_5_03(bind: Bind, peer: RawPeer) -> None:
    tasks: list[asyncio.Future[FastResponse]] = []

    def begin(_request: FastRequest) -> FastAnswer:
        tasks.append(asyncio.get_running_loop().create_future())
        return PendingResponse.of(tasks[-1])

    handlers = FastHandlers()
    handlers.add(POST, "slow", begin)
    server = await bind(fast_handlers=handlers)
    for message_id, error in enumerate((ValueError("no"), asyncio.CancelledError())):
        await peer.send(server.local_address, RawMessage(CON, POST, message_id, b"tok", [(11, b"slow")]))
        async with asyncio.timeout(5):
            while len(tasks) <= message_id:  # noqa: ASYNC110 - the request travels through a socket
                await asyncio.sleep(0.001)
        if isinstance(error, ValueError):
            tasks[message_id].set_exception(error)
        else:
            tasks[message_id].cancel()
        assert (await peer.receive()).code == (0xA0, 0xA3)[message_id]


async def test_a_handler_that_raises_is_answered_5_00(bind: Bind, peer: RawPeer) -> None:
    def broken(_request: FastRequest) -> FastAnswer:
        raise ValueError("no")

    handlers = FastHandlers()
    handlers.add(GET, "broken", broken)
    server = await bind(fast_handlers=handlers)
    assert (await peer.ask(server.local_address, RawMessage(CON, GET, 7, b"t", [(11, b"broken")]))).code == 0xA0


async def test_a_separate_response_is_repeated_until_acknowledged(
    bind: Bind, peer: RawPeer, quick: CoapSettings
) -> None:
    client = await bind(settings=quick)
    task = asyncio.create_task(client.request(get_to(client, peer)))
    request, address = await peer.receive_from()
    await peer.send(address, RawMessage(ACK, EMPTY, request.message_id))
    await peer.send(address, RawMessage(CON, CONTENT, 99, request.token, [], b"late"))
    assert (await task).payload == b"late"
    assert await peer.receive() == RawMessage(ACK, EMPTY, 99)
    await peer.send(address, RawMessage(CON, CONTENT, 99, request.token, [], b"late"))
    assert await peer.receive() == RawMessage(ACK, EMPTY, 99)


async def test_a_response_whose_acknowledgement_was_lost_ends_the_retransmission(
    bind: Bind, peer: RawPeer, quick: CoapSettings
) -> None:
    client = await bind(settings=quick)
    task = asyncio.create_task(client.request(get_to(client, peer)))
    request, address = await peer.receive_from()
    assert (await peer.ask(address, RawMessage(CON, CONTENT, 99, request.token, [], b"x"))).type == ACK
    await task
    assert await peer.hears_nothing(address)


async def test_a_request_without_answer_is_repeated_with_growing_pauses_then_fails(
    bind: Bind, peer: RawPeer, quick: CoapSettings
) -> None:
    client = await bind(settings=quick)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    task = asyncio.create_task(client.request(get_to(client, peer)))
    times = []
    copies = []
    for _ in range(1 + quick.max_retransmit):
        copies.append(await peer.receive())
        times.append(loop.time())
    with pytest.raises(RequestTimeout):
        await task
    assert copies[0] == copies[1] == copies[2]
    # A busy machine makes copies late, never early: pauses of 1 and 2 time-outs end 3 time-outs after the beginning.
    assert times[1] - begun >= quick.ack_timeout * 0.95
    assert times[2] - begun >= 3 * quick.ack_timeout * 0.95


async def test_an_acknowledged_request_without_response_fails(bind: Bind, peer: RawPeer, quick: CoapSettings) -> None:
    client = await bind(settings=quick)
    task = asyncio.create_task(client.request(get_to(client, peer)))
    request, address = await peer.receive_from()
    await peer.send(address, RawMessage(ACK, EMPTY, request.message_id))
    with pytest.raises(RequestTimeout, match="acknowledged"):
        await task


async def test_a_reset_fails_the_request(bind: Bind, peer: RawPeer) -> None:
    client = await bind()
    task = asyncio.create_task(client.request(get_to(client, peer)))
    request, address = await peer.receive_from()
    await peer.send(address, RawMessage(RST, EMPTY, request.message_id))
    with pytest.raises(PeerReset):
        await task


async def test_a_response_to_nobody_is_reset(bind: Bind, peer: RawPeer) -> None:
    client = await bind()
    answer = await peer.ask(client.local_address, RawMessage(CON, CONTENT, 5, b"whose?", [], b"x"))
    assert answer == RawMessage(RST, EMPTY, 5)


async def test_one_request_at_a_time_goes_to_a_peer(bind: Bind, peer: RawPeer) -> None:
    client = await bind()
    tasks = [asyncio.create_task(client.request(get_to(client, peer, str(n)))) for n in range(3)]
    for n in range(3):
        request, address = await peer.receive_from()
        assert request.options == [(11, b"%d" % n)]
        assert await peer.hears_nothing(address)
        await peer.send(address, RawMessage(ACK, CONTENT, request.message_id, request.token))
    await asyncio.gather(*tasks)


async def test_nstart_lets_several_requests_go_at_once(bind: Bind, peer: RawPeer) -> None:
    client = await bind(settings=CoapSettings(nstart=2))
    tasks = [asyncio.create_task(client.request(get_to(client, peer, str(n)))) for n in range(3)]
    first, address = await peer.receive_from()
    second = await peer.receive()
    assert await peer.hears_nothing(address)
    await peer.send(address, RawMessage(ACK, CONTENT, first.message_id, first.token))
    third = await peer.receive()
    for request in (second, third):
        await peer.send(address, RawMessage(ACK, CONTENT, request.message_id, request.token))
    await asyncio.gather(*tasks)
    assert len({request.token for request in (first, second, third)}) == 3


async def test_the_backlog_of_a_peer_is_bounded(bind: Bind, peer: RawPeer) -> None:
    client = await bind(settings=CoapSettings(backlog_per_remote=2))
    tasks = [asyncio.create_task(client.request(get_to(client, peer))) for _ in range(4)]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    assert [type(task.exception()) for task in done] == [PeerBusy]
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


async def test_a_cancelled_request_makes_room_for_the_next(bind: Bind, peer: RawPeer) -> None:
    client = await bind()
    first = asyncio.create_task(client.request(get_to(client, peer, "first")))
    await peer.receive()
    second = asyncio.create_task(client.request(get_to(client, peer, "second")))
    await asyncio.sleep(0)
    first.cancel()
    request, address = await peer.receive_from()
    assert request.options == [(11, b"second")]
    await peer.send(address, RawMessage(ACK, CONTENT, request.message_id, request.token))
    await second


async def test_message_ids_count_per_peer(bind: Bind, peer: RawPeer, other_peer: RawPeer) -> None:
    client = await bind()
    seen = []
    for to in (peer, other_peer, peer):
        task = asyncio.create_task(client.request(get_to(client, to)))
        request, address = await to.receive_from()
        seen.append(request.message_id)
        await to.send(address, RawMessage(ACK, CONTENT, request.message_id, request.token))
        await task
    assert seen[2] == (seen[0] + 1) & 0xFFFF


async def test_tokens_are_long_and_random(bind: Bind, peer: RawPeer) -> None:
    client = await bind()
    tokens = []
    for _ in range(3):
        task = asyncio.create_task(client.request(get_to(client, peer)))
        request, address = await peer.receive_from()
        tokens.append(request.token)
        await peer.send(address, RawMessage(ACK, CONTENT, request.message_id, request.token))
        await task
    assert {len(token) for token in tokens} == {8}
    differences = [int.from_bytes(b) - int.from_bytes(a) for a, b in itertools.pairwise(tokens)]
    assert all(abs(difference) > 2**20 for difference in differences)


async def test_the_measured_round_trip_sets_the_next_timeout(bind: Bind, peer: RawPeer) -> None:
    client = await bind(settings=CoapSettings(minimum_timeout=0.001, ack_timeout=2.0))
    for _ in range(4):
        task = asyncio.create_task(client.request(get_to(client, peer)))
        request, address = await peer.receive_from()
        await peer.send(address, RawMessage(ACK, CONTENT, request.message_id, request.token))
        await task
    remote = client.remote(*peer.address)
    assert remote.round_trip is not None
    assert remote.round_trip.timeout(client.settings, asyncio.get_running_loop().time()) < 0.5


async def test_closing_fails_what_is_under_way(bind: Bind, peer: RawPeer) -> None:
    client = await bind()
    task = asyncio.create_task(client.request(get_to(client, peer)))
    await peer.receive()
    await client.close()
    with pytest.raises(aiocoap.error.LibraryShutdown):
        await task
