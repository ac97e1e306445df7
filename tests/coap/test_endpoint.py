"""The endpoint in both roles against stock aiocoap and against itself."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import aiocoap
import pytest
from aiocoap import resource

from lwm2m_ml.coap import (
    AddressError,
    CoapEndpoint,
    CoapSettings,
    EndpointClosed,
    FastAnswer,
    FastHandlers,
    FastRequest,
    FastResponse,
    NetworkError,
    PendingResponse,
)

if TYPE_CHECKING:
    from tests.coap.conftest import Bind

BODY = bytes(range(256)) * 20
METHODS = [aiocoap.GET, aiocoap.POST, aiocoap.PUT, aiocoap.DELETE, aiocoap.FETCH, aiocoap.PATCH, aiocoap.iPATCH]


class Everything(resource.Resource):  # type: ignore[misc]
    """Answers every method with what it got; GET has a large body."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=BODY, content_format=42)

    async def _mirror(self, request: aiocoap.Message) -> aiocoap.Message:
        self.calls += 1
        return aiocoap.Message(payload=str(request.code).encode() + b" " + request.payload)

    render_post = render_put = render_delete = render_fetch = render_patch = render_ipatch = _mirror


class Temperature(resource.ObservableResource):  # type: ignore[misc]
    """A value that tests change."""

    def __init__(self) -> None:
        super().__init__()
        self.value = b"20"
        self.abandoned = asyncio.Event()

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self.value)

    def change(self, value: bytes) -> None:
        self.value = value
        self.updated_state()

    def update_observation_count(self, newcount: int) -> None:
        if newcount == 0:
            self.abandoned.set()

    @property
    def observers(self) -> int:
        return len(self._observations)


@pytest.fixture
def everything() -> Everything:
    return Everything()


@pytest.fixture
def temperature() -> Temperature:
    return Temperature()


@pytest.fixture
def site(everything: Everything, temperature: Temperature) -> resource.Site:
    site = resource.Site()
    site.add_resource(["everything"], everything)
    site.add_resource(["temperature"], temperature)
    return site


@pytest.fixture
async def server(bind: Bind, site: resource.Site) -> CoapEndpoint:
    def download(request: FastRequest) -> FastAnswer:
        return FastResponse(0x45, BODY, etag=b"etag", content_format=42) if request.path[1:] == ("x",) else None

    def echo(request: FastRequest) -> FastAnswer:
        return FastResponse(0x41, request.payload, location_path=("rd", *request.query))

    handlers = FastHandlers()
    handlers.add(aiocoap.GET, "download", download)
    handlers.add(aiocoap.POST, "rd", echo)
    return await bind(site=site, fast_handlers=handlers)


@pytest.fixture
async def stock() -> AsyncIterator[aiocoap.Context]:
    context = await aiocoap.Context.create_client_context(transports=["udp6"])
    yield context
    await context.shutdown()


@pytest.fixture
async def stock_server(site: resource.Site, unused_port: int) -> AsyncIterator[tuple[str, int]]:
    context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", unused_port), transports=["udp6"])
    yield "127.0.0.1", unused_port
    await context.shutdown()


def uri(address: tuple[str, int], path: str) -> str:
    return f"coap://{address[0]}:{address[1]}/{path}"


def message(code: aiocoap.Code, address: tuple[str, int], path: str, payload: bytes = b"") -> aiocoap.Message:
    return aiocoap.Message(code=code, uri=uri(address, path), payload=payload)


async def until(condition: asyncio.Event) -> None:
    await asyncio.wait_for(condition.wait(), 5)


# Our client


@pytest.mark.parametrize("method", METHODS[1:], ids=str)
@pytest.mark.parametrize("size", [0, 10, 1024, 5000])
async def test_every_method_carries_bodies_of_any_size_both_ways(
    bind: Bind, server: CoapEndpoint, everything: Everything, method: aiocoap.Code, size: int
) -> None:
    client = await bind()
    response = await client.request(message(method, server.local_address, "everything", b"x" * size))
    assert response.payload == str(method).encode() + b" " + b"x" * size
    assert everything.calls == 1


async def test_a_large_body_is_collected(bind: Bind, server: CoapEndpoint) -> None:
    client = await bind()
    response = await client.request(message(aiocoap.GET, server.local_address, "everything"))
    assert (response.payload, response.opt.content_format, response.opt.block2) == (BODY, 42, None)


async def test_a_missing_resource_is_4_04(bind: Bind, server: CoapEndpoint) -> None:
    client = await bind()
    assert (await client.request(message(aiocoap.GET, server.local_address, "nothing"))).code == aiocoap.NOT_FOUND


@pytest.mark.parametrize("method", METHODS[1:], ids=str)
@pytest.mark.parametrize("size", [10, 5000])
async def test_a_stock_server_understands_us(
    bind: Bind, stock_server: tuple[str, int], method: aiocoap.Code, size: int
) -> None:
    client = await bind()
    response = await client.request(message(method, stock_server, "everything", b"x" * size))
    assert response.payload == str(method).encode() + b" " + b"x" * size


async def test_a_large_body_of_a_stock_server_is_collected(bind: Bind, stock_server: tuple[str, int]) -> None:
    client = await bind()
    assert (await client.request(message(aiocoap.GET, stock_server, "everything"))).payload == BODY


async def test_observing_a_stock_server(bind: Bind, stock_server: tuple[str, int], temperature: Temperature) -> None:
    await _observe_and_cancel(await bind(), stock_server, temperature)


async def test_observing_our_server(bind: Bind, server: CoapEndpoint, temperature: Temperature) -> None:
    await _observe_and_cancel(await bind(), server.local_address, temperature)


async def _observe_and_cancel(client: CoapEndpoint, address: tuple[str, int], temperature: Temperature) -> None:
    heard: list[bytes] = []
    arrived = asyncio.Event()

    def on_notification(notification: aiocoap.Message) -> None:
        heard.append(notification.payload)
        arrived.set()

    observation = await client.observe(message(aiocoap.GET, address, "temperature"), on_notification)
    assert observation.active
    assert observation.response.payload == b"20"
    for value in (b"21", b"22", BODY[:3000]):
        arrived.clear()
        temperature.change(value)
        await until(arrived)
    assert heard == [b"21", b"22", BODY[:3000]]
    await observation.cancel()
    assert not observation.active
    assert temperature.observers == 0


async def test_what_cannot_be_observed_is_still_answered(bind: Bind, server: CoapEndpoint) -> None:
    client = await bind()
    observation = await client.observe(message(aiocoap.GET, server.local_address, "everything"), lambda _: None)
    assert not observation.active
    assert observation.response.payload == BODY
    await observation.cancel()


async def test_a_notification_that_is_reset_ends_the_observation(
    bind: Bind, server: CoapEndpoint, temperature: Temperature
) -> None:
    client = await bind()
    observation = await client.observe(message(aiocoap.GET, server.local_address, "temperature"), lambda _: None)
    observation.forget()
    temperature.change(b"21")
    await until(temperature.abandoned)


async def test_a_device_that_vanished_is_no_longer_notified(
    bind: Bind, site: resource.Site, temperature: Temperature, quick: CoapSettings
) -> None:
    server = await bind(site=site, settings=quick)
    client = await bind()
    await client.observe(message(aiocoap.GET, server.local_address, "temperature"), lambda _: None)
    await client.close()
    temperature.change(b"21")
    await until(temperature.abandoned)


# Our server


@pytest.mark.parametrize("method", METHODS[1:], ids=str)
@pytest.mark.parametrize("size", [10, 5000])
async def test_a_stock_client_is_understood(
    stock: aiocoap.Context, server: CoapEndpoint, method: aiocoap.Code, size: int
) -> None:
    response = await stock.request(message(method, server.local_address, "everything", b"x" * size)).response
    assert response.payload == str(method).encode() + b" " + b"x" * size


@pytest.mark.parametrize("path", ["everything", "download/x"])
async def test_a_stock_client_downloads_a_large_body(stock: aiocoap.Context, server: CoapEndpoint, path: str) -> None:
    response = await stock.request(message(aiocoap.GET, server.local_address, path)).response
    assert response.payload == BODY


async def test_a_fast_handler_gets_the_whole_body(stock: aiocoap.Context, server: CoapEndpoint) -> None:
    request = message(aiocoap.POST, server.local_address, "rd?a", b"<1/0>," * 300)
    response = await stock.request(request).response
    assert response.payload == b"<1/0>," * 300
    assert response.opt.location_path == ("rd", "a")


async def test_a_stock_client_observes(stock: aiocoap.Context, server: CoapEndpoint, temperature: Temperature) -> None:
    get = message(aiocoap.GET, server.local_address, "temperature")
    get.opt.observe = 0
    request = stock.request(get)
    assert (await request.response).payload == b"20"
    temperature.change(b"21")
    async for notification in request.observation:
        assert notification.payload == b"21"
        break
    request.observation.cancel()


async def test_a_handler_may_leave_a_request_to_the_site(bind: Bind, server: CoapEndpoint) -> None:
    client = await bind()
    assert (await client.request(message(aiocoap.GET, server.local_address, "download/y"))).code == aiocoap.NOT_FOUND


async def test_no_response_is_respected(bind: Bind, server: CoapEndpoint) -> None:
    client = await bind(settings=CoapSettings(response_timeout=0.1))
    request = message(aiocoap.POST, server.local_address, "rd")
    request.opt.no_response = 2
    with pytest.raises(NetworkError, match="acknowledged"):
        await client.request(request)


# aiocoap on top


async def test_aiocoap_users_get_a_context(bind: Bind, server: CoapEndpoint) -> None:
    client = await bind()
    response = await client.context.request(message(aiocoap.GET, server.local_address, "everything")).response
    assert response.payload == BODY


async def test_aiocoap_users_observe(bind: Bind, server: CoapEndpoint, temperature: Temperature) -> None:
    client = await bind()
    get = message(aiocoap.GET, server.local_address, "temperature")
    get.opt.observe = 0
    request = client.context.request(get)
    assert (await request.response).payload == b"20"
    temperature.change(b"21")
    async for notification in request.observation:
        assert notification.payload == b"21"
        break
    request.observation.cancel()


async def test_aiocoap_users_see_their_own_errors(bind: Bind, quick: CoapSettings, unused_port: int) -> None:
    client = await bind(settings=quick)
    with pytest.raises(aiocoap.error.TimeoutError):
        await client.context.request(message(aiocoap.GET, ("127.0.0.1", unused_port), "x")).response


async def test_shutting_the_context_down_closes_the_endpoint(bind: Bind, server: CoapEndpoint) -> None:
    client = await bind()
    await client.context.shutdown()
    with pytest.raises(EndpointClosed):
        await client.request(message(aiocoap.GET, server.local_address, "everything"))


# Addresses


async def test_the_same_peer_is_the_same_object(bind: Bind) -> None:
    endpoint = await bind()
    assert endpoint.remote("127.0.0.1", 1000) is endpoint.remote("127.0.0.1", 1000)
    assert endpoint.remote("127.0.0.1", 1000).address == ("127.0.0.1", 1000)


async def test_host_names_are_resolved(bind: Bind, server: CoapEndpoint) -> None:
    client = await bind()
    port = server.local_address[1]
    assert (await client.request(message(aiocoap.GET, ("localhost", port), "everything"))).payload == BODY


@pytest.mark.parametrize("host", ["::1", "not an address"])
async def test_an_address_that_the_socket_cannot_reach_is_refused(bind: Bind, host: str) -> None:
    endpoint = await bind()
    with pytest.raises(AddressError):
        endpoint.remote(host, 5683)


async def test_an_observation_follows_its_device_to_a_new_address(
    bind: Bind, site: resource.Site, temperature: Temperature
) -> None:
    """The device's socket moves, as behind a NAT that forgot: same resources, same tokens, another port."""
    server = await bind()
    device = await bind(site=site)
    heard = asyncio.Event()
    observation = await server.observe(message(aiocoap.GET, device.local_address, "temperature"), lambda _: heard.set())
    moved = await bind(site=site)
    old = observation.remote
    server.rebind(old, server.remote(*moved.local_address))
    assert server.remote(*moved.local_address) is old
    request = aiocoap.Message(code=aiocoap.GET, uri_path=["everything"])
    request.remote = old
    assert (await server.request(request)).payload == BODY
    assert old.address == moved.local_address
    await observation.cancel()


# Weight


async def test_an_idle_endpoint_is_small(bind: Bind) -> None:
    await bind()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            await bind()
        gc.collect()
        each = (tracemalloc.get_traced_memory()[0] - before) / 50
    finally:
        tracemalloc.stop()
    print(f"{each:.0f} bytes per idle endpoint")
    assert each < 8_000


# The end


async def test_closing_while_requests_are_answered_leaves_nothing_behind(bind: Bind, quick: CoapSettings) -> None:
    """`filterwarnings = error` sees tasks that are left, and coroutines that never ran."""

    never = PendingResponse()

    class Forever:
        async def render_to_pipe(self, _pipe: object) -> None:
            await asyncio.get_running_loop().create_future()

    handlers = FastHandlers()
    handlers.add(aiocoap.GET, "fast", lambda _: never)
    server = await bind(site=Forever(), fast_handlers=handlers)
    client = await bind(settings=CoapSettings(nstart=4))
    paths = ("fast", "slow", "slow")
    requests = [asyncio.create_task(client.request(message(aiocoap.GET, server.local_address, path))) for path in paths]
    async with asyncio.timeout(5):
        while len(server._pipes) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await server.close()
    await client.close()
    for request in requests:
        with pytest.raises(EndpointClosed):
            await request
    never.give(FastResponse(0x44))
    await server.close()


async def test_a_request_that_was_cancelled_is_forgotten(bind: Bind, unused_port: int) -> None:
    client = await bind()
    task = asyncio.create_task(client.request(message(aiocoap.GET, ("127.0.0.1", unused_port), "x")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(client._requester._waiting) == 0


async def test_a_request_can_be_bounded_in_time(bind: Bind, unused_port: int) -> None:
    client = await bind()
    with pytest.raises(aiocoap.error.TimeoutError, match=r"within 0\.02 s"):
        await client.request(message(aiocoap.GET, ("127.0.0.1", unused_port), "x"), timeout=0.02)
