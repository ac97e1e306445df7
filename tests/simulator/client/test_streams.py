"""CoAP over TCP through a radio: what the path costs, on virtual time and real connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiocoap import Code, Message

from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.fast import FastHandlers, FastResponse
from lwm2m_ml_simulator.client.endpoint import DeviceEndpoint
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.radio import Radio, RadioSettings
from lwm2m_ml_simulator.virtual.run import run_virtually

HOST = "127.0.0.1"


@asynccontextmanager
async def pair(body: bytes, conditions: Conditions) -> AsyncIterator[tuple[DeviceEndpoint, tuple[str, int]]]:
    handlers = FastHandlers()
    handlers.add(Code.GET, "body", lambda _: FastResponse(Code.CONTENT, body))
    device = DeviceEndpoint(None, Radio(RadioSettings(conditions=conditions, seed=1)))
    async with device, CoapEndpoint(fast_handlers=handlers) as server:
        yield device, await _listen(device, server)


async def _listen(device: DeviceEndpoint, server: CoapEndpoint) -> tuple[str, int]:
    await device.listen_tcp(HOST, 0)
    return await server.listen_tcp(HOST, 0)


async def fetch(device: DeviceEndpoint, address: tuple[str, int]) -> tuple[bytes, float]:
    """Return what came, and how long it took on the connection that there was."""
    message = Message(code=Code.GET, uri_path=("body",))
    message.remote = await device.connect("coap+tcp", *address)
    began = asyncio.get_running_loop().time()
    response = await device.request(message)
    return response.payload, asyncio.get_running_loop().time() - began


def test_a_request_and_its_answer_take_a_round_trip() -> None:
    async def run() -> None:
        async with pair(b"here", Conditions(latency=0.5)) as (device, address):
            received, seconds = await fetch(device, address)
        assert received == b"here"
        assert seconds == pytest.approx(1.0, abs=0.001)

    run_virtually(run(), seed=1)


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_a_large_body_comes_whole_and_every_segment_is_counted(loss: float) -> None:
    body = bytes(range(256)) * 80

    async def run() -> None:
        async with pair(body, Conditions(latency=0.1, bandwidth=80_000.0, loss=loss)) as (device, address):
            received, seconds = await fetch(device, address)
            figures = device.radio.figures
        assert received == body
        assert seconds > len(body) * 8 / 80_000.0
        assert figures.bytes_in > len(body) + 20 * 20
        assert figures.datagrams_out >= 10, "every second segment is acknowledged"

    run_virtually(run(), seed=1)


def test_what_either_side_wrote_arrives_before_the_connection_ends() -> None:
    async def run(device_ends: bool) -> float:
        handlers = FastHandlers()
        handlers.add(Code.GET, "body", lambda _: FastResponse(Code.CONTENT, b"here"))
        device = DeviceEndpoint(None, Radio(RadioSettings(conditions=Conditions(latency=2.0))))
        server = CoapEndpoint(fast_handlers=handlers)
        address = await _listen(device, server)
        await fetch(device, address)
        began = asyncio.get_running_loop().time()
        # The first one says that it releases the connection, and the other one ends it.
        for endpoint in (device, server) if device_ends else (server, device):
            await endpoint.close()
        return asyncio.get_running_loop().time() - began

    for device_ends in (True, False):
        assert run_virtually(run(device_ends), seed=1) == pytest.approx(2.0, abs=0.01)
