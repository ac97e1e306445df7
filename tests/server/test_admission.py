"""Herds and floods of registrations."""

import asyncio
import sqlite3
from typing import Any

from aiocoap.numbers.codes import Code

from lwm2m_ml.config import Settings
from lwm2m_ml.server.settings import ServerLimits


async def test_a_flood_from_one_address_is_put_off(start_server: Any, start_device: Any) -> None:
    running = await start_server(ServerLimits(registrations_per_peer=0.2))
    device = await start_device(running.server)
    assert (await device.register("a")).code is Code.CREATED
    response = await device.register("b")
    assert response.code is Code.SERVICE_UNAVAILABLE
    assert 10 <= response.opt.max_age <= 30
    assert running.server.registry.find("b") is None
    assert (await device.update()).code is Code.CHANGED


async def test_a_herd_is_told_to_come_back(start_server: Any, start_device: Any) -> None:
    running = await start_server(ServerLimits(registrations_under_way=0))
    device = await start_device(running.server)
    assert (await device.register()).code is Code.SERVICE_UNAVAILABLE


async def test_places_are_given_back(start_server: Any, start_device: Any) -> None:
    running = await start_server(ServerLimits(registrations_under_way=1))
    device = await start_device(running.server)
    for name in ("a", "b", "c"):
        assert (await device.register(name)).code is Code.CREATED
    await running.store.writer.close()
    assert [(await device.register(name)).opt.max_age for name in ("d", "e")] == [10, 10]


async def test_of_a_herd_nobody_is_lost_who_comes_back_when_told(
    start_server: Any, start_device: Any, settings: Settings
) -> None:
    running = await start_server(ServerLimits(registrations_under_way=10))
    devices = [await start_device(running.server) for _ in range(100)]
    put_off: list[int] = []

    async def arrive(number: int) -> None:
        while (response := await devices[number].register(f"dev-{number}")).code is not Code.CREATED:
            assert response.code is Code.SERVICE_UNAVAILABLE
            put_off.append(response.opt.max_age)
            await asyncio.sleep(response.opt.max_age / 100)

    disk = sqlite3.connect(settings.data_directory / "lwm2m-ml.sqlite3", isolation_level=None)
    disk.execute("BEGIN IMMEDIATE")
    herd = [asyncio.create_task(arrive(number)) for number in range(100)]
    async with asyncio.timeout(30):
        while len(put_off) < 90:  # noqa: ASYNC110 - as many as are not under way
            await asyncio.sleep(0.01)
    disk.execute("ROLLBACK")
    disk.close()
    await asyncio.gather(*herd)
    assert min(put_off) >= 10
    assert max(put_off) <= 30
    assert len(set(put_off)) > 5, "they come back as a herd"
    assert len(await running.store.registrations.all()) == len(running.server.registry) == 100
