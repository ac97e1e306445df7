"""A raw peer that sends and receives datagrams in lock-step, and endpoints that close by themselves."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from lwm2m_ml.coap import CoapEndpoint, CoapSettings
from lwm2m_ml.coap.codec import RawMessage, encode, parse

WAIT = 5.0


class RawPeer:
    """One UDP socket that speaks CoAP by hand."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.loop = asyncio.get_running_loop()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return host, port

    async def send(self, to: tuple[str, int], message: RawMessage | bytes) -> None:
        datagram = message if isinstance(message, bytes) else encode(message)
        await self.loop.sock_sendto(self.socket, datagram, to)

    async def receive_bytes(self) -> tuple[bytes, tuple[str, int]]:
        return await asyncio.wait_for(self.loop.sock_recvfrom(self.socket, 65536), WAIT)

    async def receive(self) -> RawMessage:
        return parse((await self.receive_bytes())[0])

    async def receive_from(self) -> tuple[RawMessage, tuple[str, int]]:
        datagram, address = await self.receive_bytes()
        return parse(datagram), address

    async def ask(self, to: tuple[str, int], message: RawMessage | bytes) -> RawMessage:
        await self.send(to, message)
        return await self.receive()

    async def hears_nothing(self, to: tuple[str, int]) -> bool:
        """Whether nothing was sent before the answer to a ping that is sent now."""
        answer = await self.ask(to, b"\x40\x00\xfe\xfe")
        return answer == RawMessage(3, 0, 0xFEFE)


@pytest.fixture
async def peer() -> AsyncIterator[RawPeer]:
    raw = RawPeer()
    yield raw
    raw.socket.close()


@pytest.fixture
async def other_peer() -> AsyncIterator[RawPeer]:
    raw = RawPeer()
    yield raw
    raw.socket.close()


@pytest.fixture
def quick() -> CoapSettings:
    """Time-outs that let a test see a lost peer."""
    return CoapSettings(ack_timeout=0.03, minimum_timeout=0.03, max_retransmit=2, response_timeout=0.3)


Bind = Callable[..., Awaitable[CoapEndpoint]]


@pytest.fixture
async def bind() -> AsyncIterator[Bind]:
    endpoints: list[CoapEndpoint] = []

    async def bind_one(**options: Any) -> CoapEndpoint:
        endpoint = await CoapEndpoint.bind("127.0.0.1", 0, **options)
        endpoints.append(endpoint)
        return endpoint

    yield bind_one
    for endpoint in endpoints:
        await endpoint.close()


@pytest.fixture
def unused_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
