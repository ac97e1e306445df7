"""Bodies in bursts between two endpoints, through a relay that loses datagrams, and by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aiocoap
import pytest
from aiocoap import resource

from lwm2m_ml.coap import (
    CoapEndpoint,
    CoapSettings,
    FastAnswer,
    FastHandlers,
    FastRequest,
    FastResponse,
    RequestTimeout,
)
from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.numbers import (
    ACK,
    BAD_OPTION,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CONTINUE,
    ETAG,
    GET,
    NON,
    PUT,
    Q_BLOCK1,
    Q_BLOCK2,
    REQUEST_ENTITY_INCOMPLETE,
    REQUEST_TAG,
    UNAUTHORIZED,
    URI_PATH,
)
from lwm2m_ml.coap.options import Block, decode_block, first
from lwm2m_ml.coap.qblock.missing import MISSING_BLOCKS, decode_missing

if TYPE_CHECKING:
    from tests.coap.conftest import Bind, RawPeer

BODY = random.Random(1).randbytes(60_000)
QUICK = {"q_block_timeout": 0.02, "q_block_receive_timeout": 0.05}
PATH = [(URI_PATH, b"body")]


class Kept:
    """What was put, and how often."""

    def __init__(self) -> None:
        self.body = BODY
        self.puts = 0

    def get(self, _request: FastRequest) -> FastAnswer:
        return FastResponse(CONTENT, self.body)

    def put(self, request: FastRequest) -> FastAnswer:
        self.body = request.payload
        self.puts += 1
        return FastResponse(0x44)

    @property
    def handlers(self) -> FastHandlers:
        handlers = FastHandlers()
        handlers.add(GET, "body", self.get)
        handlers.add(PUT, "body", self.put)
        return handlers


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def server(bind: Bind, kept: Kept) -> CoapEndpoint:
    return await bind(fast_handlers=kept.handlers, settings=CoapSettings(**QUICK))  # type: ignore[arg-type]


@pytest.fixture
async def client(bind: Bind) -> CoapEndpoint:
    settings = CoapSettings(q_block_requests=True, ack_timeout=0.05, minimum_timeout=0.05, max_retransmit=8, **QUICK)  # type: ignore[arg-type]
    return await bind(settings=settings)


class LossyRelay(asyncio.DatagramProtocol):
    """Carries datagrams between one client and a server, and loses some of them."""

    def __init__(self, server: tuple[str, int], loss: float, seed: int) -> None:
        self.server = server
        self.loss = loss
        self.random = random.Random(seed)
        self.client: Any = None
        self.transport: Any = None
        self.lost = 0
        self.carried = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.random.random() < self.loss:
            self.lost += 1
            return
        self.carried += 1
        if addr == self.server:
            self.transport.sendto(data, self.client)
        else:
            self.client = addr
            self.transport.sendto(data, self.server)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.transport.get_extra_info("sockname")
        return host, port


Open = Callable[[CoapEndpoint, float, int], Awaitable[LossyRelay]]


@pytest.fixture
async def relay() -> AsyncIterator[Open]:
    relays: list[LossyRelay] = []

    async def open_one(server: CoapEndpoint, loss: float, seed: int) -> LossyRelay:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_datagram_endpoint(
            lambda: LossyRelay(server.local_address, loss, seed), local_addr=("127.0.0.1", 0)
        )
        relays.append(made)
        return made

    yield open_one
    for made in relays:
        made.transport.close()


def message(code: aiocoap.Code, address: tuple[str, int], payload: bytes = b"") -> aiocoap.Message:
    return aiocoap.Message(code=code, uri=f"coap://{address[0]}:{address[1]}/body", payload=payload)


async def test_a_body_comes_in_bursts(client: CoapEndpoint, server: CoapEndpoint) -> None:
    response = await client.request(message(aiocoap.GET, server.local_address))
    assert response.payload == BODY
    assert client.remote(*server.local_address).knows_q_block


async def test_a_body_goes_in_bursts(client: CoapEndpoint, server: CoapEndpoint, kept: Kept) -> None:
    answer = await client.request(message(aiocoap.PUT, server.local_address, BODY[::-1]))
    assert (answer.code, kept.body, kept.puts) == (aiocoap.CHANGED, BODY[::-1], 1)


@pytest.mark.parametrize("seed", range(3))
async def test_a_body_comes_through_a_path_that_loses_a_fifth(
    client: CoapEndpoint, server: CoapEndpoint, relay: Open, seed: int
) -> None:
    lossy = await relay(server, 0.2, seed)
    assert (await client.request(message(aiocoap.GET, lossy.address))).payload == BODY
    assert lossy.lost > 5


@pytest.mark.parametrize("seed", range(3))
async def test_a_body_goes_through_a_path_that_loses_a_fifth_and_is_handled_once(
    client: CoapEndpoint, server: CoapEndpoint, relay: Open, kept: Kept, seed: int
) -> None:
    lossy = await relay(server, 0.2, seed)
    answer = await client.request(message(aiocoap.PUT, lossy.address, BODY[::-1]))
    assert (answer.code, kept.body, kept.puts) == (aiocoap.CHANGED, BODY[::-1], 1)
    assert lossy.lost > 5


async def test_a_burst_takes_fewer_datagrams_than_block_by_block(
    bind: Bind, client: CoapEndpoint, server: CoapEndpoint, relay: Open
) -> None:
    bursts, steps = await relay(server, 0.0, 0), await relay(server, 0.0, 0)
    await client.request(message(aiocoap.GET, bursts.address))
    await (await bind()).request(message(aiocoap.GET, steps.address))
    assert bursts.carried < 0.7 * steps.carried


async def test_a_small_answer_comes_as_usual(client: CoapEndpoint, server: CoapEndpoint, kept: Kept) -> None:
    kept.body = b"small"
    assert (await client.request(message(aiocoap.GET, server.local_address))).payload == b"small"


async def test_a_peer_that_does_not_know_it_gets_blocks_one_by_one(
    bind: Bind, client: CoapEndpoint, kept: Kept
) -> None:
    old = await bind(fast_handlers=kept.handlers, settings=CoapSettings(q_block=False))
    assert (await client.request(message(aiocoap.GET, old.local_address))).payload == BODY
    assert client.remote(*old.local_address).knows_q_block is False
    assert (await client.request(message(aiocoap.PUT, old.local_address, BODY[::-1]))).code == aiocoap.CHANGED
    assert kept.body == BODY[::-1]


async def test_a_stock_server_gets_blocks_one_by_one(client: CoapEndpoint, unused_port: int) -> None:
    class Stock(resource.Resource):  # type: ignore[misc]
        async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
            return aiocoap.Message(payload=request.payload[::-1])

        async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
            return aiocoap.Message(payload=BODY)

    site = resource.Site()
    site.add_resource(["body"], Stock())
    stock = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", unused_port), transports=["udp6"])
    try:
        answer = await client.request(message(aiocoap.GET, ("127.0.0.1", unused_port)))
        assert answer.payload == BODY
    finally:
        await stock.shutdown()


async def test_a_peer_that_vanishes_in_the_middle_is_a_timeout(
    client: CoapEndpoint, server: CoapEndpoint, relay: Open
) -> None:
    lossy = await relay(server, 0.0, 0)
    asking = asyncio.create_task(client.request(message(aiocoap.GET, lossy.address)))
    async with asyncio.timeout(5):
        while lossy.carried < 15:  # noqa: ASYNC110
            await asyncio.sleep(0)
    lossy.loss = 1.0
    with pytest.raises(RequestTimeout):
        await asyncio.wait_for(asking, 20)


# By hand


def put(number: int, more: bool, payload: bytes, tag: bytes = b"tag", message_type: int = NON) -> RawMessage:
    block = Block(number, more, 0)
    options = [*PATH, (Q_BLOCK1, block.encode()), (REQUEST_TAG, tag)]
    return RawMessage(message_type, PUT, number, bytes([number + 1]), options, payload)


async def test_a_whole_set_is_continued_with_its_last_token(server: CoapEndpoint, peer: RawPeer) -> None:
    for number in range(9):
        await peer.send(server.local_address, put(number, True, bytes(16)))
    answer = await peer.ask(server.local_address, put(9, True, bytes(16)))
    assert (answer.code, answer.token) == (CONTINUE, b"\x0a")
    assert first(answer.options, Q_BLOCK1) == Block(9, True, 0).encode()


async def test_missing_blocks_are_listed_when_a_later_set_begins(server: CoapEndpoint, peer: RawPeer) -> None:
    for number in (0, 1, 3, 4, 5, 6, 8, 9):
        await peer.send(server.local_address, put(number, True, bytes(16)))
    answer = await peer.ask(server.local_address, put(10, True, bytes(16)))
    assert answer.code == REQUEST_ENTITY_INCOMPLETE
    assert first(answer.options, CONTENT_FORMAT) == MISSING_BLOCKS.to_bytes(2)
    assert decode_missing(answer.payload, 10) == [2, 7], "what follows 10 may be on its way"


async def test_missing_blocks_are_listed_after_a_silence(server: CoapEndpoint, peer: RawPeer, kept: Kept) -> None:
    await peer.send(server.local_address, put(0, True, b"a" * 16))
    answer = await peer.ask(server.local_address, put(2, False, b"c"))
    assert decode_missing(answer.payload, 10) == [1]
    assert (await peer.ask(server.local_address, put(1, True, b"b" * 16))).code == 0x44
    assert kept.body == b"a" * 16 + b"b" * 16 + b"c"
    again = put(2, False, b"c")
    again.message_id = 99
    assert (await peer.ask(server.local_address, again)).code == 0x44
    assert kept.puts == 1


async def test_single_blocks_are_asked_for_again(server: CoapEndpoint, peer: RawPeer) -> None:
    server.remote(*peer.address).proven = True
    begin = RawMessage(NON, GET, 1, b"a", [*PATH, (Q_BLOCK2, Block(0, True, 2).encode())])
    burst = [await peer.ask(server.local_address, begin), *[await peer.receive() for _ in range(9)]]
    assert [message.payload for message in burst] == [BODY[n * 64 : n * 64 + 64] for n in range(10)]
    assert {message.token for message in burst} == {b"a"}
    wanted = [(Q_BLOCK2, Block(n, False, 2).encode()) for n in (3, 7)]
    again = await peer.ask(server.local_address, RawMessage(NON, GET, 2, b"b", [*PATH, *wanted]))
    assert (again.token, again.payload) == (b"b", BODY[3 * 64 : 4 * 64])
    assert (await peer.receive()).payload == BODY[7 * 64 : 8 * 64]


async def test_a_set_that_went_out_by_time_is_not_sent_again_for_a_request_that_crossed_with_it(
    bind: Bind, peer: RawPeer, kept: Kept
) -> None:
    kept.body = BODY[: 20 * 64]
    settings = CoapSettings(q_block_timeout=0.02, q_block_receive_timeout=60.0)
    server = await bind(fast_handlers=kept.handlers, settings=settings)
    server.remote(*peer.address).proven = True
    begin = RawMessage(NON, GET, 1, b"a", [*PATH, (Q_BLOCK2, Block(0, True, 2).encode())])
    both = [await peer.ask(server.local_address, begin), *[await peer.receive() for _ in range(19)]]
    assert [message.payload for message in both] == [kept.body[n * 64 : n * 64 + 64] for n in range(20)]
    late = RawMessage(NON, GET, 2, b"b", [*PATH, (Q_BLOCK2, Block(10, True, 2).encode())])
    await peer.send(server.local_address, late)
    assert await peer.hears_nothing(server.local_address)
    lost = RawMessage(NON, GET, 3, b"c", [*PATH, (Q_BLOCK2, Block(12, False, 2).encode())])
    assert (await peer.ask(server.local_address, lost)).payload == kept.body[12 * 64 : 13 * 64]


async def test_missing_blocks_are_asked_for_when_a_later_set_begins(bind: Bind, peer: RawPeer) -> None:
    client = await bind(settings=CoapSettings(q_block_requests=True, q_block_receive_timeout=60.0))
    body = BODY[: 12 * 1024 - 1]
    asking = asyncio.create_task(client.request(message(aiocoap.GET, peer.address)))

    async def answer(request: RawMessage, *wanted: int) -> None:
        for number in wanted:
            options = [(ETAG, b"e"), (Q_BLOCK2, Block(number, number < 11, 6).encode())]
            part = body[number * 1024 : (number + 1) * 1024]
            response = RawMessage(NON, CONTENT, 100 + number, request.token, options, part)
            await peer.send(client.local_address, response)

    first_request = await peer.receive()
    await peer.send(client.local_address, RawMessage(ACK, 0, first_request.message_id))
    await answer(first_request, 0, 1, 2, 4, 5, 6, 8, 9)
    assert await peer.hears_nothing(client.local_address)
    await answer(first_request, 10)
    request = await peer.receive()
    wanted = [decode_block(number, value) for number, value in request.options if number == Q_BLOCK2]
    assert (request.type, wanted) == (NON, [Block(3, False, 6), Block(7, False, 6)])
    await answer(request, 3, 7, 11)
    assert (await asking).payload == body


async def test_who_resets_a_block_gets_no_more(server: CoapEndpoint, peer: RawPeer) -> None:
    server.remote(*peer.address).proven = True
    begin = RawMessage(NON, GET, 1, b"a", [*PATH, (Q_BLOCK2, Block(0, True, 2).encode())])
    burst = [await peer.ask(server.local_address, begin), *[await peer.receive() for _ in range(9)]]
    await peer.send(server.local_address, RawMessage(3, 0, burst[-1].message_id))
    assert await peer.hears_nothing(server.local_address)
    assert server._responder._q_blocks is not None
    (body,) = server._responder._q_blocks._sender._bodies.values()
    assert body.timer is None


async def test_an_unproven_address_gets_no_burst(server: CoapEndpoint, peer: RawPeer) -> None:
    begin = RawMessage(NON, GET, 1, b"a", [*PATH, (Q_BLOCK2, Block(0, True, 2).encode())])
    assert (await peer.ask(server.local_address, begin)).code == UNAUTHORIZED
    assert await peer.hears_nothing(server.local_address)


async def test_bodies_under_way_are_bounded(server: CoapEndpoint, peer: RawPeer) -> None:
    for number in range(20):
        block = put(0, True, bytes(16), tag=bytes([number]), message_type=CON)
        block.message_id = number
        await peer.ask(server.local_address, block)
    assert server._responder._q_blocks is not None
    assert len(server._responder._q_blocks) == server.settings.assemblies_per_remote


async def test_bursts_are_refused_over_reliable_transports(kept: Kept) -> None:
    async with CoapEndpoint(fast_handlers=kept.handlers) as server, CoapEndpoint() as client:
        host, port = await server.listen_tcp("127.0.0.1", 0)
        await client.listen_tcp("127.0.0.1", 0)
        request = aiocoap.Message(code=aiocoap.GET, uri=f"coap+tcp://{host}:{port}/body")
        request.opt.add_option(aiocoap.numbers.OptionNumber(Q_BLOCK2).create_option(decode=b"\x0e"))
        assert int((await client.request(request)).code) == BAD_OPTION
