"""Result numbers begin anew with each boot, and their series says so."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from aiocoap import Code

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.inference.series import SeriesCounter
from lwm2m_ml_simulator.memory.flash import Flash, FlashGeometry, FlashRegion, PowerCut
from lwm2m_ml_simulator.memory.journal import Journal

NUMBER, SERIES = ObjectPath.parse("/42771/0/5"), ObjectPath.parse("/42771/0/16")


def counter(flash: Flash) -> SeriesCounter:
    return SeriesCounter(Journal(FlashRegion(flash, 0, 4096)))


@pytest.mark.parametrize("cut", range(12))
def test_no_series_is_given_twice_wherever_the_power_fails(cut: int) -> None:
    flash = Flash(FlashGeometry(4096, 1024, 4))
    begun: list[int] = []
    flash.cut_power_after(cut)
    with suppress(PowerCut):
        for _ in range(40):
            begun.append(counter(flash).begin())
    if not flash.powered:
        flash.power_on()
    begun += [counter(flash).begin() for _ in range(3)]
    assert begun == sorted(set(begun))


def numbers(sent: list[Any]) -> list[tuple[int, int]]:
    """Series and number of each message of results, in order."""
    found = [{record.path: record.value for record in records} for records in sent]
    return [(values[SERIES], values[NUMBER]) for values in found if NUMBER in values]


async def test_a_reboot_after_exactly_one_result_is_told(
    server: Any, make_device: Callable[..., Any], modules: Any, with_profile: Callable[..., DeviceProfile]
) -> None:
    profile = with_profile(delivery=DeliveryObject.MODEL_CONFIGURATION, inference_period_ms=3_600_000)
    async with make_device(profile) as device:
        await server.until_registered()
        await server.write("/513/0/1", modules.package(profile, 1))
        await server.write("/513/0/13", True)
        await server.execute("/42770/0/13")
        await server.until(lambda: numbers(server.sent) == [(1, 1)])
        device.reboot()
        await server.until_registered(2)
        await server.until(lambda: numbers(server.sent) == [(1, 1), (2, 1)])
        assert await server.value("/42771/0/16") == 2
        assert await server.execute("/42771/0/10", "0='1',1='0',2='1'") is Code.NOT_FOUND
        assert await server.execute("/42771/0/10", "0='1',1='0',2='2'") is Code.CHANGED
