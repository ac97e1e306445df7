"""Events go from node to node in messages that NATS takes, however many and large they are."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import nats
import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.cluster.relay import EventRelay
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.events import DataSent
from lwm2m_ml_simulator.cluster.nats import Nats

PATIENCE = 60.0
MAXIMUM_BYTES = 4_000


@asynccontextmanager
async def relay_at(server: Nats) -> AsyncIterator[Bus]:
    async def resync() -> None:
        raise AssertionError("nothing was missed")

    connection, bus = await nats.connect(server.url), Bus()
    relay = EventRelay(connection.jetstream(), bus, secrets.token_hex(4), resync, maximum_bytes=MAXIMUM_BYTES)
    await relay.start()
    yield bus
    await relay.stop()
    await connection.close()
    await bus.close()


@pytest.fixture
async def buses(nats_server: Nats) -> AsyncIterator[tuple[Bus, Bus]]:
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(relay_at(nats_server)),
            await stack.enter_async_context(relay_at(nats_server)),
        )


def sent(name: str, number: int, size: int) -> DataSent:
    return DataSent(name, (Record(ObjectPath(3, 0, 0), "x" * size),), float(number))


async def test_events_arrive_in_order_though_one_message_would_not_hold_them(buses: tuple[Bus, Bus]) -> None:
    one, other = buses
    heard: asyncio.Queue[DataSent] = asyncio.Queue()
    other.subscribe(DataSent, heard.put, everywhere=True)
    name = f"urn:dev:{secrets.token_hex(4)}"
    events = [sent(name, number, size=997 * number % 3_000) for number in range(100)]
    for event in events:
        one.publish(event)
    async with asyncio.timeout(PATIENCE):
        assert [await heard.get() for _ in events] == events


async def test_an_event_that_is_too_large_keeps_nobody_else_waiting(buses: tuple[Bus, Bus]) -> None:
    one, other = buses
    heard: asyncio.Queue[DataSent] = asyncio.Queue()
    other.subscribe(DataSent, heard.put, everywhere=True)
    name = f"urn:dev:{secrets.token_hex(4)}"
    for number, size in enumerate((10, MAXIMUM_BYTES, 10)):
        one.publish(sent(name, number, size))
    async with asyncio.timeout(PATIENCE):
        assert [(await heard.get()).received_at for _ in range(2)] == [0.0, 2.0]
