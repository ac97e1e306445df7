"""Herds and floods of registrations."""

from typing import Any

from aiocoap.numbers.codes import Code

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
