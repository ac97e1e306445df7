import asyncio
import time
from typing import Any

import pytest

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml_simulator.device.plain import PlainDevice, PlainProfile
from lwm2m_ml_simulator.objects.data import DataTemplate

LIGHT = DataTemplate(3311, values={5850: False, 5851: 100}, writable=frozenset({5850}), executable=frozenset({5523}))


async def test_a_plain_device_has_the_objects_it_was_given(server: Any, catalogue: Any) -> None:
    device = PlainDevice(PlainProfile("lamp", objects=(LIGHT,)), server.uri, catalogue=catalogue)
    await device.start()
    await server.until_registered()
    assert await server.read("/3311/0") == {"/3311/0/5850": False, "/3311/0/5851": 100}
    assert (await server.write("/3311/0/5850", True)).is_successful()
    assert not (await server.write("/3311/0/5851", 5)).is_successful()
    assert (await server.execute("/3311/0/5523")).is_successful()
    await device.stop()
    assert server.deregistered == 1


async def test_values_outlive_a_power_cut_and_the_device_comes_back(server: Any, catalogue: Any) -> None:
    device = PlainDevice(PlainProfile("lamp", objects=(LIGHT,), outage=0.05), server.uri, catalogue=catalogue)
    await device.start()
    await server.until_registered()
    await server.write("/3311/0/5850", True)
    device.cut_power()
    await server.until_registered(2)
    assert await server.value("/3311/0/5850") is True
    assert (device.boots, server.deregistered) == (2, 0)
    await device.stop()


async def test_a_reboot_that_the_server_asks_for_happens(server: Any, catalogue: Any) -> None:
    device = PlainDevice(PlainProfile("lamp"), server.uri, catalogue=catalogue)
    await device.start()
    await server.until_registered()
    await server.execute("/3/0/4")
    await server.until_registered(2)
    await device.stop()


async def test_a_device_that_lies_says_what_it_was_told_to(server: Any, catalogue: Any) -> None:
    profile = PlainProfile("lamp", claims={ObjectPath(3, 0, 3): "9.9.9"}, clock_skew=-1000.0)
    device = PlainDevice(profile, server.uri, catalogue=catalogue)
    await device.start()
    await server.until_registered()
    assert await server.value("/3/0/3") == "9.9.9"
    assert await server.value("/3/0/13") == pytest.approx(time.time() - 1000, abs=5)
    await device.stop()


async def test_a_device_can_be_switched_off_while_it_is_without_power(server: Any, catalogue: Any) -> None:
    device = PlainDevice(PlainProfile("lamp", outage=60.0), server.uri, catalogue=catalogue)
    await device.start()
    await server.until_registered()
    device.cut_power()
    await asyncio.sleep(0.05)
    assert device.is_on
    await device.stop()
    assert not device.is_on
    await device.start()
    await server.until_registered(2)
    await device.stop()
