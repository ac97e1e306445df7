"""The wall clock is set by hours: nobody's lifetime ends or begins anew for that, before a restart or after it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.server.settings import ServerLimits

HOURS = 6 * 3_600.0


@pytest.mark.parametrize("jump", [HOURS, -HOURS])
async def test_lifetimes_go_on_as_they_were(
    running: Any, device: Any, set_clock: Callable[[float], None], jump: float
) -> None:
    await device.register(lifetime=60)
    set_clock(jump)
    await asyncio.sleep(0.3)  # longer than the grace
    assert running.server.registry.find("dev") is not None
    assert (await device.update()).code is Code.CHANGED


async def test_a_lifetime_ends_though_the_clock_was_set_back(
    running: Any, device: Any, set_clock: Callable[[float], None]
) -> None:
    await device.register(lifetime=1)
    set_clock(-HOURS)
    async with asyncio.timeout(10):
        while running.server.registry.find("dev") is not None:  # noqa: ASYNC110 - only time ends it
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("jump", [HOURS, -HOURS])
async def test_devices_are_known_after_a_restart_under_another_time(
    start_server: Any, start_device: Any, set_clock: Callable[[float], None], jump: float
) -> None:
    patient = ServerLimits(lifetime_grace=30.0)
    first = await start_server(patient)
    device = await start_device(first.server)
    await device.register(lifetime=60)
    port = first.server.coap_address[1]
    await first.server.stop()
    await first.store.close()
    set_clock(jump)
    second = await start_server(patient, port)
    assert second.server.registry.find("dev") is not None
    device.server = second.server
    assert (await device.update()).code is Code.CHANGED
