"""Datagrams that wait at a socket, and a loop that hands out one in a turn."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lwm2m_ml.coap.drain import MOST_DATAGRAMS, Drain


class Collector(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.errors: list[Exception] = []
        self.transport: Any = None
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append(data)
        if data == b"raise":
            raise ValueError("a handler's own mistake")
        if data == b"abort":
            self.transport.abort()

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setblocking(False)
    bound.bind(("127.0.0.1", 0))
    collector = Collector()
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Drain(collector, bound, 100), sock=bound)
    yield collector
    collector.transport.abort()


def send(collector: Collector, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, collector.transport.get_extra_info("sockname"))


async def until(collector: Collector, count: int) -> int:
    """How many turns of the loop it took until so many datagrams were heard."""
    turns = 0
    while len(collector.heard) < count:
        await asyncio.sleep(0)
        turns += 1
        assert turns < 10_000
    return turns


async def test_all_that_wait_are_taken_in_one_turn_and_in_order(collector: Collector) -> None:
    sent = [b"%d" % number for number in range(MOST_DATAGRAMS)]
    send(collector, *sent)
    await asyncio.sleep(0.01)
    assert collector.heard == sent
    assert collector.errors == []


async def test_one_turn_takes_no_more_than_its_share(collector: Collector) -> None:
    heard: list[int] = []
    send(collector, *[b"x"] * (MOST_DATAGRAMS + 10))
    while sum(heard) < MOST_DATAGRAMS + 10:
        before = len(collector.heard)
        await asyncio.sleep(0)
        heard.append(len(collector.heard) - before)
        assert len(heard) < 10_000
    assert max(heard) == MOST_DATAGRAMS


async def test_a_mistake_with_one_datagram_loses_no_other(collector: Collector) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    send(collector, b"one", b"raise", b"two", b"raise", b"three")
    await until(collector, 5)
    assert collector.heard == [b"one", b"raise", b"two", b"raise", b"three"]
    assert [type(context["exception"]) for context in told] == [ValueError, ValueError]


async def test_a_datagram_that_is_too_long_shows_it(collector: Collector) -> None:
    send(collector, b"short", b"x" * 150)
    await until(collector, 2)
    assert len(collector.heard[1]) == 101


async def test_a_socket_that_is_closed_meanwhile_is_read_no_more(collector: Collector) -> None:
    send(collector, b"abort", b"late")
    await until(collector, 1)
    assert await collector.lost is None
    await asyncio.sleep(0.01)
    assert collector.heard == [b"abort"]
    assert collector.errors == []
