"""What the API tells of a fleet and of a device's past, with devices that really register."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lwm2m_ml.app import Running
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.objects.device import Device, DeviceIdentity


@asynccontextmanager
async def registered(where: Running, endpoint: str) -> AsyncIterator[None]:
    device = Lwm2mClient(endpoint, where.uris["coap"], [Device(DeviceIdentity())], lifetime=300)
    async with device:
        async with asyncio.timeout(10):
            await device.registered.wait()
        yield


async def test_the_fleet_is_counted(client: AsyncClient, where: Running) -> None:
    assert (await client.fleet()).devices == 0
    async with registered(where, "one"), registered(where, "two"):
        fleet = await client.fleet()
    assert (fleet.devices, fleet.runtimes, fleet.alarms, fleet.late) == (2, 0, 0, 0)


async def test_devices_are_found_by_conditions_of_groups(client: AsyncClient, where: Running) -> None:
    async with registered(where, "one"), registered(where, "two"):
        await client.tag_device("two", add=["oslo"])
        assert [device.endpoint for device in await client.devices(filter="tag=oslo")] == ["two"]
        assert [device.endpoint for device in await client.devices(filter="endpoint=o* tag!=oslo")] == ["one"]
        assert await client.devices(alarmed=True) == []
        with pytest.raises(ApiError, match="nowhere"):
            await client.devices(filter="nowhere=1")


async def test_a_device_has_a_history_and_traffic(client: AsyncClient, where: Running) -> None:
    async with registered(where, "one"):
        history = await client.history("one")
        assert [event.what for event in history.events] == ["registered"]
        assert sum(one.bytes_in for one in history.traffic) > 0
    with pytest.raises(ApiError) as raised:
        await client.history("nobody")
    assert raised.value.status == 404


async def test_messages_are_told_from_the_first_look_on(client: AsyncClient, where: Running) -> None:
    async with registered(where, "one"):
        assert await client.messages("one") == []
        await client.read("one", "/3/0")
        asked, answered = await client.messages("one")
        assert (asked.inbound, asked.code, asked.path) == (False, "GET", "/3/0")
        assert (answered.inbound, answered.code) == (True, "2.05")
        assert await client.messages("one", after=answered.number) == []


async def test_a_device_without_campaigns_has_no_updates(client: AsyncClient, where: Running) -> None:
    async with registered(where, "one"):
        assert await client.updates("one") == []
