"""What events do to a device with a module: a bit rots, the clock is wrong, and acknowledged results are told."""

import random
import time
from typing import Any

import pytest

from lwm2m_ml.lwm2m.record import Record


async def activated(device: Any, package: bytes) -> Any:
    firmware = device.firmware
    firmware.intakes[0].push(package)
    await firmware.modules.activate(0)
    return firmware


async def test_one_bit_of_the_module_in_use_rots(
    server: Any, make_device: Any, with_profile: Any, modules: Any
) -> None:
    profile = with_profile(inference_period_ms=60_000)
    async with make_device(profile) as device:
        await server.until_registered()
        device.rot(random.Random(1))  # nothing to rot yet
        firmware = await activated(device, modules.package(profile, 1))
        module = firmware.modules.in_use
        before = firmware.modules.payload(module)
        device.rot(random.Random(1))
        after = firmware.modules.payload(module)
    assert (int.from_bytes(before) ^ int.from_bytes(after)).bit_count() == 1


async def test_results_are_told_once_the_server_has_acknowledged_them(
    server: Any, make_device: Any, with_profile: Any, modules: Any
) -> None:
    told: list[Record] = []
    profile = with_profile(inference_period_ms=5)
    async with make_device(profile) as device:
        device.on_acknowledged(told.extend)
        await server.until_registered()
        await activated(device, modules.package(profile, 1))
        await server.until(lambda: len(server.sent) >= 5)
    numbers = [record.value for record in told if str(record.path) == "/42771/0/5"]
    sent = [record.value for message in server.sent for record in message if str(record.path) == "/42771/0/5"]
    assert len(numbers) >= 4
    assert numbers == sent[: len(numbers)]


async def test_a_wrong_clock_is_the_one_that_the_device_tells(server: Any, make_device: Any, with_profile: Any) -> None:
    async with make_device(with_profile(clock_skew=-86_400.0)) as device:
        await server.until_registered()
        assert await server.value("/3/0/13") == pytest.approx(time.time() - 86_400, abs=10)
        device.clock.skew = 0.0
        assert await server.value("/3/0/13") == pytest.approx(time.time(), abs=10)
