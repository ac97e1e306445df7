"""Several blocks in one message (RFC 8323 §6), between ourselves and with stock aiocoap."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import aiocoap
import pytest
from aiocoap import resource
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap import CoapEndpoint, CoapSettings, FastAnswer, FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.bert import bert_bytes, serve_blocks
from lwm2m_ml.coap.numbers import BAD_REQUEST, BLOCK2, CONTENT, GET, PUT
from lwm2m_ml.coap.options import BERT, Block, decode_block, first
from lwm2m_ml.coap.tcp.signalling import Capabilities

BODY = random.Random(2).randbytes(300_000)


@given(st.binary(min_size=1, max_size=20_000), st.integers(1, 5))
def test_all_parts_together_are_the_body(body: bytes, blocks: int) -> None:
    collected = b""
    requested: Block | None = None
    while True:
        part = serve_blocks(CONTENT, [], body, requested, blocks * 1024)
        value = first(part.options, BLOCK2)
        assert value is not None
        block = decode_block(BLOCK2, value, bert=True)
        assert block.start == len(collected)
        assert not block.more or block.fits(len(part.payload))
        collected += part.payload
        if not block.more:
            break
        requested = Block(len(collected) // 1024, False, BERT)
    assert collected == body


def test_a_block_beyond_the_end_is_a_bad_request() -> None:
    assert serve_blocks(CONTENT, [], b"x", Block(1, False, BERT), 1024).code == BAD_REQUEST


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (Capabilities(), 0),
        (Capabilities(1152, True), 0),
        (Capabilities(10_000, False), 0),
        (Capabilities(2176, True), 2048),
        (Capabilities(1 << 30, True), 63 * 1024),
    ],
)
def test_it_is_done_only_with_peers_that_can(capabilities: Capabilities, expected: int) -> None:
    assert bert_bytes(capabilities, 64 * 1024) == expected


class Kept(resource.Resource):  # type: ignore[misc]
    """Keeps what was put, and counts the requests that it took to the endpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.body = BODY

    def get(self, _request: FastRequest) -> FastAnswer:
        return FastResponse(CONTENT, self.body)

    def put(self, request: FastRequest) -> FastAnswer:
        self.body = request.payload
        return FastResponse(0x44)

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self.body)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        self.body = request.payload
        return aiocoap.Message()


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def listening(kept: Kept, **settings: Any) -> CoapEndpoint:
    handlers = FastHandlers()
    handlers.add(GET, "body", kept.get)
    handlers.add(PUT, "body", kept.put)
    endpoint = CoapEndpoint(fast_handlers=handlers, settings=CoapSettings(**settings))
    await endpoint.listen_tcp("127.0.0.1", 0)
    return endpoint


@pytest.fixture
async def server(kept: Kept) -> AsyncIterator[CoapEndpoint]:
    async with await listening(kept) as endpoint:
        yield endpoint


@pytest.fixture
async def client(kept: Kept) -> AsyncIterator[CoapEndpoint]:
    async with await listening(kept) as endpoint:
        yield endpoint


def message(code: aiocoap.Code, address: tuple[str, int], payload: bytes = b"") -> aiocoap.Message:
    return aiocoap.Message(code=code, uri=f"coap+tcp://{address[0]}:{address[1]}/body", payload=payload)


async def test_a_large_body_takes_few_messages_each_way(
    server: CoapEndpoint, client: CoapEndpoint, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = 0
    exchange = client._requester.exchange

    async def counted(request: Any) -> Any:
        nonlocal requests
        requests += 1
        return await exchange(request)

    monkeypatch.setattr(type(client._requester), "exchange", lambda _self, request: counted(request))
    assert (await client.request(message(aiocoap.GET, server.local_address))).payload == BODY
    assert requests == 5
    requests = 0
    assert (await client.request(message(aiocoap.PUT, server.local_address, BODY[::-1]))).code == aiocoap.CHANGED
    assert (requests, kept.body) == (5, BODY[::-1])


async def test_a_peer_that_takes_small_messages_gets_small_blocks(client: CoapEndpoint, kept: Kept) -> None:
    async with await listening(kept, maximum_message=600) as small:
        assert (await client.request(message(aiocoap.PUT, small.local_address, BODY[:5000]))).code == aiocoap.CHANGED
        assert kept.body == BODY[:5000]
        assert (await client.connect("coap+tcp", *small.local_address)).maximum_block_size_exp == 4


async def test_a_stock_client_sends_and_gets_large_bodies(server: CoapEndpoint, kept: Kept) -> None:
    context = await aiocoap.Context.create_client_context(transports=["tcpclient"])
    try:
        assert (await context.request(message(aiocoap.GET, server.local_address)).response).payload == BODY
        put = context.request(message(aiocoap.PUT, server.local_address, BODY[::-1]))
        assert (await put.response).code == aiocoap.CHANGED
        assert kept.body == BODY[::-1]
    finally:
        await context.shutdown()


async def test_a_stock_server_takes_and_gives_large_bodies(client: CoapEndpoint, kept: Kept, unused_port: int) -> None:
    site = resource.Site()
    site.add_resource(["body"], kept)
    address = ("127.0.0.1", unused_port)
    context = await aiocoap.Context.create_server_context(site, bind=address, transports=["tcpserver"])
    try:
        assert (await client.request(message(aiocoap.GET, address))).payload == BODY
        assert (await client.request(message(aiocoap.PUT, address, BODY[::-1]))).code == aiocoap.CHANGED
        assert kept.body == BODY[::-1]
    finally:
        await client.close()
        await context.shutdown()
