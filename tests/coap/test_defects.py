"""What stock aiocoap gets wrong in front of a fleet, and this endpoint does not: one named test each."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import TYPE_CHECKING

import aiocoap
import pytest
from aiocoap import resource
from aiocoap.numbers.optionnumbers import OptionNumber

from lwm2m_ml.coap import CoapSettings, PortInUse, RequestTimeout
from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.numbers import ACK, CON, CONTENT, EMPTY, GET, PUT

if TYPE_CHECKING:
    from tests.coap.conftest import Bind, RawPeer


class Body(resource.Resource):  # type: ignore[misc]
    """Keeps what was put."""

    def __init__(self, body: bytes = b"") -> None:
        super().__init__()
        self.body = body
        self.renderings = 0

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        self.renderings += 1
        return aiocoap.Message(payload=self.body)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        self.body = request.payload
        return aiocoap.Message()


@pytest.fixture
def body() -> Body:
    return Body(bytes(range(256)) * 16)


@pytest.fixture
async def server(bind: Bind, body: Body) -> CoapEndpoint:
    site = resource.Site()
    site.add_resource(["body"], body)
    settings = CoapSettings(maximum_request_body=100_000, amplification_factor=0)
    return await bind(site=site, settings=settings)


async def test_one_timed_out_request_leaves_the_observations_of_the_device_alone(
    bind: Bind, peer: RawPeer, quick: CoapSettings
) -> None:
    client = await bind(settings=quick)
    remote = client.remote(*peer.address)
    notifications: list[bytes] = []
    observe = aiocoap.Message(code=aiocoap.GET, uri_path=["temperature"])
    observe.remote = remote
    task = asyncio.create_task(client.observe(observe, lambda message: notifications.append(message.payload)))
    registration, address = await peer.receive_from()
    await peer.send(
        address, RawMessage(ACK, CONTENT, registration.message_id, registration.token, [(6, b"\x01")], b"1")
    )
    token = registration.token
    observation = await task
    request = aiocoap.Message(code=aiocoap.GET, uri_path=["lost"])
    request.remote = remote
    with pytest.raises(RequestTimeout):
        await client.request(request)
    for _ in range(1 + quick.max_retransmit):
        await peer.receive()
    answer = await peer.ask(address, RawMessage(CON, CONTENT, 5, token, [(6, b"\x02")], b"2"))
    assert answer == RawMessage(ACK, EMPTY, 5)
    assert notifications == [b"2"]
    assert observation.active
    observation.forget()


async def test_unknown_option_numbers_are_not_cached_for_ever(server: CoapEndpoint, peer: RawPeer) -> None:
    known = len(OptionNumber._value2member_map_)
    for number in range(10_000, 20_000, 50):
        await peer.ask(server.local_address, RawMessage(CON, GET, number, b"t", [(11, b"body"), (number, b"x")]))
    assert len(OptionNumber._value2member_map_) == known


async def test_a_gap_in_a_block1_transfer_is_4_08(server: CoapEndpoint, peer: RawPeer) -> None:
    path = [(11, b"body")]
    first = RawMessage(CON, PUT, 1, b"t", [*path, (27, b"\x08")], bytes(16))
    assert (await peer.ask(server.local_address, first)).code == 0x5F
    gap = RawMessage(CON, PUT, 2, b"t", [*path, (27, b"\x28")], bytes(16))
    assert (await peer.ask(server.local_address, gap)).code == 0x88


async def test_a_block1_body_beyond_the_limit_is_4_13(server: CoapEndpoint, peer: RawPeer) -> None:
    options = [(11, b"body"), (27, b"\x0e"), (60, (100_001).to_bytes(3))]
    answer = await peer.ask(server.local_address, RawMessage(CON, PUT, 1, b"t", options, bytes(1024)))
    assert (answer.code, answer.options) == (0x8D, [(60, (100_000).to_bytes(3))])


async def test_a_resumed_download_is_served_to_a_new_port(server: CoapEndpoint, peer: RawPeer, body: Body) -> None:
    answer = await peer.ask(server.local_address, RawMessage(CON, GET, 1, b"t", [(11, b"body"), (23, b"\x32")]))
    assert answer.code == CONTENT
    assert answer.payload == body.body[192:256]
    assert dict(answer.options)[23] == b"\x3a"
    assert len(dict(answer.options)[4]) == 4


async def test_assembling_many_blocks_takes_linear_memory(bind: Bind, peer: RawPeer) -> None:
    site = resource.Site()
    site.add_resource(["body"], Body())
    server = await bind(site=site)
    tracemalloc.start()
    try:
        for number in range(256):
            block = (number << 4 | 0x0E).to_bytes(3).lstrip(b"\x00")
            message = RawMessage(CON, PUT, number, b"t", [(11, b"body"), (27, block)], bytes(1024))
            assert (await peer.ask(server.local_address, message)).code == 0x5F
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


async def test_two_servers_never_share_a_port(bind: Bind) -> None:
    first = await bind()
    with pytest.raises(PortInUse):
        await CoapEndpoint.bind("127.0.0.1", first.local_address[1])


async def test_a_port_shared_by_stock_aiocoap_is_refused(unused_port: int) -> None:
    stock = await aiocoap.Context.create_server_context(
        resource.Site(), bind=("127.0.0.1", unused_port), transports=["simplesocketserver"]
    )
    try:
        with pytest.raises(PortInUse):
            await CoapEndpoint.bind("127.0.0.1", unused_port)
    finally:
        await stock.shutdown()


async def test_nothing_is_kept_for_247_seconds_per_request(bind: Bind, peer: RawPeer) -> None:
    server = await bind(settings=CoapSettings(deduplicated_messages=8))
    for message_id in range(200):
        await peer.ask(server.local_address, RawMessage(CON, GET, message_id, b"t", [(11, b"x")]))
    assert len(server.remote(*peer.address).answers) == 8
