"""What NATs and new addresses do to a client, seen by its server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.ports import Address, PortBook
from lwm2m_ml_simulator.network.radio import Radio, RadioSettings
from lwm2m_ml_simulator.sweep.server import SweepServer
from lwm2m_ml_simulator.virtual.run import run_virtually


class OthersHadThem(PortBook):
    """Says of the first ports that it is asked about that another device had them."""

    def __init__(self, ports: int) -> None:
        super().__init__()
        self.left = ports
        self.refused: list[Address] = []

    def take(self, address: Address, owner: object) -> bool:
        if len(self.refused) < self.left:
            self.refused.append(address)
            return False
        return super().take(address, owner)


@pytest_asyncio.fixture
async def client(server: Any, catalogue: Any) -> AsyncIterator[Lwm2mClient]:
    async with Lwm2mClient("mcu", server.uri, lifetime=60, catalogue=catalogue) as client:
        await client.registered.wait()
        yield client


async def test_after_a_nat_rebinding_the_client_comes_from_another_port(server: Any, client: Lwm2mClient) -> None:
    before = server.device.socket_address
    await client.coap.change_port()
    client.update()
    await server.until(lambda: server.updates)
    assert server.device.socket_address[0] == before[0]
    assert server.device.socket_address[1] != before[1]
    assert await server.value("/3/0/1")


async def test_a_client_goes_on_from_no_port_that_another_device_had(server: Any, client: Lwm2mClient) -> None:
    client.radio.ports = book = OthersHadThem(3)
    await client.coap.change_port()
    client.update()
    await server.until(lambda: server.updates)
    assert len(book.refused) == 3
    # The system may hand out a refused port again; the book of this test then no longer objects.
    assert not book.take(server.device.socket_address, "somebody else")
    assert await server.value("/3/0/1")


async def test_where_all_ports_have_been_used_a_client_opens_one_all_the_same(server: Any, catalogue: Any) -> None:
    radio = Radio(RadioSettings())
    radio.ports = book = OthersHadThem(10_000)
    async with Lwm2mClient("mcu", server.uri, lifetime=60, catalogue=catalogue, radio=radio):
        await server.until_registered()
    assert 1 < len(book.refused) < 10_000


async def test_a_client_that_moves_comes_from_another_address(server: Any, client: Lwm2mClient) -> None:
    await client.coap.change_port("127.0.0.9")
    client.update()
    await server.until(lambda: server.updates)
    assert server.device.socket_address[0] == "127.0.0.9"


async def test_messages_that_pass_are_told(server: Any, client: Lwm2mClient) -> None:
    told: list[tuple[str, tuple[str, int], tuple[str, int]]] = []
    client.radio.on_message = lambda direction, data, here, there: told.append((direction, here, there))
    client.update()
    await server.until(lambda: server.updates)
    assert told[0] == ("up", client.coap.local_address, server.endpoint.local_address)


def test_a_nat_forgets_a_silent_client_and_keeps_one_that_speaks(catalogue: Any) -> None:
    async def ports(lifetime: int) -> int:
        seen = set()
        radio = Radio(RadioSettings(conditions=Conditions(nat_timeout=100.0)))
        async with (
            SweepServer(catalogue, patience=1.0) as server,
            Lwm2mClient("mcu", server.uri, lifetime=lifetime, catalogue=catalogue, radio=radio) as client,
        ):
            for _ in range(100):
                await asyncio.sleep(10)
                seen.add(client.coap.local_address)
        return len(seen)

    assert run_virtually(ports(120)) == 1
    assert run_virtually(ports(600)) > 1
