"""What stock aiocoap gets wrong in front of a fleet, and this endpoint does not: one named test each.

Those about one module stand beside it:

    reserved token lengths, a marker without payload    test_codec, test_what_rfc_7252_forbids_is_malformed
    unknown critical options                            test_message_layer, test_an_unknown_critical_option_…
    a path that is not UTF-8                            test_message_layer, test_a_path_that_is_not_utf8_…
    NSTART fixed at 1, a backlog without limit          test_message_layer, test_nstart_lets_several_requests_go_at_once
    no round-trip estimate                              test_round_trip
    no Q-Block                                          qblock
    no amplification guard                              test_amplification
    tokens that can be guessed                          test_message_layer, test_tokens_are_long_and_random
    one message id counter for all peers                test_message_layer, test_message_ids_count_per_peer
    notifications over TCP dropped                      tcp/test_transport, test_notifications_arrive_although_…
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

import aiocoap
import pytest
from aiocoap import resource
from aiocoap.numbers.optionnumbers import OptionNumber

from lwm2m_ml.coap import CoapSettings, FastHandlers, FastResponse, PortInUse, RequestTimeout
from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.numbers import ACK, CHANGED, CON, CONTENT, EMPTY, GET, PUT

if TYPE_CHECKING:
    from tests.coap.conftest import Bind, RawPeer, Store


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


async def test_an_observation_that_nobody_refers_to_goes_on(bind: Bind, server: CoapEndpoint) -> None:
    value = resource.ObservableResource()
    value.render_get = AsyncMock(return_value=aiocoap.Message(payload=b"1"))
    server.site.add_resource(["value"], value)
    client = await bind()
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    get = aiocoap.Message(code=aiocoap.GET, uri_path=["value"])
    get.remote = client.remote(*server.local_address)
    await client.observe(get, lambda message: heard.put_nowait(message.payload))
    del get
    gc.collect()
    value.updated_state(aiocoap.Message(code=aiocoap.CONTENT, payload=b"2"))
    assert await asyncio.wait_for(heard.get(), 5) == b"2"


async def test_a_handler_answers_at_its_very_path_and_below(bind: Bind, peer: RawPeer) -> None:
    handlers = FastHandlers()
    handlers.add(GET, "rd", lambda request: FastResponse(CONTENT, "/".join(request.path).encode()))
    server = await bind(fast_handlers=handlers)
    for message_id, path in enumerate((["rd"], ["rd", "5"])):
        options = [(11, segment.encode()) for segment in path]
        answer = await peer.ask(server.local_address, RawMessage(CON, GET, message_id, b"t", options))
        assert answer.payload == "/".join(path).encode()


async def test_coaps_listens_on_the_port_that_it_was_given(store: Store, unused_port: int) -> None:
    async with await CoapEndpoint.bind("127.0.0.1", 0) as endpoint:
        assert await endpoint.listen_dtls("127.0.0.1", unused_port, store) == ("127.0.0.1", unused_port)


async def test_a_timeout_or_an_icmp_error_costs_nothing_per_observation(
    bind: Bind, peer: RawPeer, quick: CoapSettings
) -> None:
    class Uncounted(dict[Any, Any]):
        """A table that may be asked, but not gone through."""

        def _refuse(self) -> Any:
            raise AssertionError("somebody goes through all observations")

        __iter__ = items = values = keys = _refuse

    client = await bind(settings=quick)
    table = client._requester._waiting
    client._requester._waiting = Uncounted(table)
    request = aiocoap.Message(code=aiocoap.GET, uri_path=["lost"])
    request.remote = client.remote(*peer.address)
    with pytest.raises(RequestTimeout):
        await client.request(request)
    transport: Any = client._transports["coap"]
    transport.error_received(ConnectionRefusedError())
    client._requester.fail_all(request.remote, RequestTimeout("The connection ended"))
    client._requester._waiting = table


async def test_bodies_under_way_at_once_are_told_apart_by_their_request_tags(
    server: CoapEndpoint, peer: RawPeer, body: Body
) -> None:
    def block(message_id: int, tag: bytes, number: int, payload: bytes) -> RawMessage:
        more = 8 if number == 0 else 0
        options = [(11, b"body"), (27, bytes([number << 4 | more])), (292, tag)]
        return RawMessage(CON, PUT, message_id, b"t", options, payload)

    for message_id, tag in enumerate((b"1", b"2")):
        assert (await peer.ask(server.local_address, block(message_id, tag, 0, tag * 16))).code == 0x5F
    for message_id, tag in enumerate((b"1", b"2"), 2):
        assert (await peer.ask(server.local_address, block(message_id, tag, 1, tag))).code == CHANGED
        assert body.body == tag * 17


async def test_every_transfer_has_a_request_tag_of_its_own(bind: Bind, peer: RawPeer) -> None:
    client = await bind()
    tags = set()
    for _ in range(2):
        put = aiocoap.Message(code=aiocoap.PUT, uri_path=["body"], payload=bytes(2000))
        put.remote = client.remote(*peer.address)
        sending = asyncio.create_task(client.request(put))
        in_this_transfer = set()
        for _ in range(2):
            request, address = await peer.receive_from()
            in_this_transfer.add(dict(request.options)[292])
            number = dict(request.options)[27]
            code = 0x5F if number[-1] & 8 else CHANGED
            await peer.send(address, RawMessage(ACK, code, request.message_id, request.token, [(27, number)]))
        assert (await sending).code == aiocoap.CHANGED
        assert len(in_this_transfer) == 1
        tags |= in_this_transfer
    assert len(tags) == 2
