"""Object 513 on a device: its module comes by URI or by push, is checked against its integrity, and is enabled."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from aiocoap import Code

from lwm2m_ml.lwm2m.ni import format_ni
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.faults import Faults
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile

MakeDevice = Callable[..., SimulatedDevice]


@pytest.fixture
def profile(with_profile: Callable[..., DeviceProfile]) -> DeviceProfile:
    return with_profile(delivery=DeliveryObject.MODEL_CONFIGURATION)


def name_of(package: bytes) -> str:
    return format_ni(hashlib.sha256(package).digest())


@pytest.mark.parametrize("pushed", [False, True], ids=["pull", "push"])
async def test_a_module_comes_and_is_enabled(
    server: Any, make_device: MakeDevice, modules: Any, profile: DeviceProfile, pushed: bool
) -> None:
    package = modules.package(profile, 1)
    server.packages["m"] = package
    async with make_device(profile):
        await server.until_registered()
        assert str(await server.value("/42770/0/4")) == "513:0"
        assert await server.write("/513/0/5", name_of(package)) is Code.CHANGED
        if pushed:
            assert await server.write("/513/0/1", package) is Code.CHANGED
        else:
            assert await server.write("/513/0/4", server.package_uri("m")) is Code.CHANGED
        await server.poll("/42770/0/11", ModuleState.STAGED)
        assert await server.value("/513/0/13") is False
        assert await server.write("/513/0/13", True) is Code.CHANGED
        assert await server.value("/42770/0/11") == ModuleState.TRIAL
        assert await server.value("/513/0/13") is True
        assert await server.value("/513/0/9/0")
        assert await server.write("/513/0/4", server.package_uri("m")) is Code.METHOD_NOT_ALLOWED
        assert await server.execute("/42770/0/13") is Code.CHANGED
        assert await server.write("/513/0/13", False) is Code.CHANGED
        assert await server.value("/42770/0/11") == ModuleState.STANDBY


async def test_the_model_cannot_be_read(server: Any, make_device: MakeDevice, profile: DeviceProfile) -> None:
    async with make_device(profile):
        await server.until_registered()
        assert (await server.ask(Code.GET, "/513/0/1")).code is Code.METHOD_NOT_ALLOWED
        assert "/513/0/1" not in await server.read("/513/0")


async def test_another_package_than_the_announced_one_is_refused(
    server: Any, make_device: MakeDevice, modules: Any, profile: DeviceProfile
) -> None:
    async with make_device(profile):
        await server.until_registered()
        await server.write("/513/0/5", name_of(b"another"))
        await server.write("/513/0/1", modules.package(profile, 1))
        assert await server.value("/42770/0/11") == ModuleState.FAILED
        assert await server.value("/42770/0/12") == ModuleResult.DIGEST_MISMATCH


@pytest.mark.parametrize(
    ("resource", "value"), [(5, "ni:///sha-256;short"), (14, "1 +"), (3, "x" * 600), (8, "text for several")]
)
async def test_what_cannot_be_understood_is_refused_and_the_old_value_stays(
    server: Any, make_device: MakeDevice, profile: DeviceProfile, resource: int, value: Any
) -> None:
    async with make_device(profile):
        await server.until_registered()
        assert await server.write(f"/513/0/{resource}", value) is Code.BAD_REQUEST


async def test_what_was_written_outlives_a_reboot(server: Any, make_device: MakeDevice, profile: DeviceProfile) -> None:
    async with make_device(profile) as device:
        await server.until_registered()
        await server.write("/513/1/14", "mean(input) > 0.5")
        device.reboot()
        await server.until(lambda: len(server.registrations) == 2)
        assert await server.value("/513/1/14") == "mean(input) > 0.5"


async def test_a_power_cut_in_the_transfer_costs_nothing_that_had_arrived(
    server: Any, make_device: MakeDevice, modules: Any, with_profile: Callable[..., DeviceProfile]
) -> None:
    faults = Faults(power_cut_after_blocks=3)
    profile = with_profile(delivery=DeliveryObject.MODEL_CONFIGURATION, faults=faults, outage=0.05)
    server.packages["m"] = package = modules.package(profile, 1)
    async with make_device(profile):
        await server.until_registered()
        await server.write("/513/0/5", name_of(package))
        await server.write("/513/0/4", server.package_uri("m"))
        await server.until_registered(2)
        await server.poll("/42770/0/11", ModuleState.STAGED)


async def test_an_empty_address_gives_up_what_is_not_enabled(
    server: Any, make_device: MakeDevice, modules: Any, profile: DeviceProfile
) -> None:
    package = modules.package(profile, 1)
    server.packages["m"] = package
    async with make_device(profile):
        await server.until_registered()
        for wanted in (ModuleState.STAGED, ModuleState.EMPTY):
            uri = server.package_uri("m") if wanted is ModuleState.STAGED else ""
            assert await server.write("/513/0/4", uri) is Code.CHANGED
            assert await server.poll("/42770/0/11", wanted) == wanted
        assert await server.value("/513/0/4") == ""
