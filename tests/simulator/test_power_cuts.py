"""A power cut at every flash operation of an update: the device always has the old or the new module, never neither."""

import asyncio
import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest

from lwm2m_ml.lwm2m.firmware_update import State
from lwm2m_ml.lwm2m.software_management import UpdateState
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml_simulator.device import SimulatedDevice
from lwm2m_ml_simulator.download import FetchSettings
from lwm2m_ml_simulator.flash import Flash
from lwm2m_ml_simulator.profile import DeliveryObject, DeviceProfile

Server = Any
OLD, NEW = 0, 1
PATIENCE = 0.2
ENDS = 15.0


class Away(Exception):
    """The device did not answer."""


async def value(server: Server, path: str) -> Any:
    try:
        return await server.value(path)
    except Exception as error:
        raise Away from error


async def push_on(server: Server, path: str, uri: str = "") -> None:
    """Write or execute; whether it arrived is seen by what the device says next."""
    try:
        await (server.write(path, uri) if uri else server.execute(path))
    except Exception as error:
        raise Away from error


async def software_step(server: Server, uri: str) -> None:
    match await value(server, "/9/1/7"), await value(server, "/42770/1/11"):
        case UpdateState.INITIAL, _:
            await push_on(server, "/9/1/3", uri)
        case UpdateState.DELIVERED, _:
            await push_on(server, "/9/1/4")
        case UpdateState.INSTALLED, ModuleState.STAGED:
            await push_on(server, "/9/1/10")
        case UpdateState.INSTALLED, ModuleState.FAILED:  # Reset during its trial.
            await push_on(server, "/9/1/6")


async def firmware_step(server: Server, uri: str) -> None:
    match await value(server, "/5/0/3"), await value(server, "/42770/1/11"):
        case State.DOWNLOADED, _:
            known = len(server.registrations)
            await push_on(server, "/5/0/2")
            with contextlib.suppress(TimeoutError):  # A cut may have kept it from rebooting of its own accord.
                await server.until_registered(known + 1)
        case State.IDLE, ModuleState.EMPTY | ModuleState.FAILED:
            await push_on(server, "/5/0/1", uri)


async def update(server: Server, device: SimulatedDevice, step: Callable[[Server, str], Any]) -> None:
    """Drive the update to its end, whatever happens, and watch that there is always a module in use."""
    uri = server.package_uri("new")
    async with asyncio.timeout(ENDS):
        while True:
            try:
                states = [await value(server, f"/42770/{slot}/11") for slot in (OLD, NEW)]
                assert {ModuleState.TRIAL, ModuleState.ACTIVE} & set(states), (device.flash.operations, states)
                if states[NEW] == ModuleState.ACTIVE:
                    return
                if states[NEW] == ModuleState.TRIAL:
                    await push_on(server, "/42770/1/13")
                else:
                    await step(server, uri)
            except Away:
                await asyncio.sleep(0.01)


async def flash_with_old_module(
    server: Server, make_device: Callable[..., SimulatedDevice], profile: DeviceProfile
) -> Flash:
    async with make_device(profile) as device:
        await server.until_registered()
        assert device.firmware is not None
        device.firmware.intakes[OLD].push(server.packages["old"])
        await device.firmware.modules.activate(OLD)
        device.firmware.modules.confirm(OLD)
    device.flash.on_power_loss = None
    return device.flash


@pytest.mark.parametrize(
    ("delivery", "step"),
    [
        (DeliveryObject.SOFTWARE_MANAGEMENT, software_step),
        (DeliveryObject.FIRMWARE_UPDATE, firmware_step),
    ],
)
async def test_a_cut_at_every_flash_operation_of_an_update(
    server: Server,
    make_device: Callable[..., SimulatedDevice],
    with_profile: Callable[..., DeviceProfile],
    modules: Any,
    delivery: DeliveryObject,
    step: Callable[[Server, str], Any],
) -> None:
    profile = with_profile(
        delivery=delivery,
        outage=0.01,
        erase_block_bytes=1024,
        slot_bytes=4096,
        inference_period_ms=1000,
        fetch=FetchSettings(block_bytes=256, attempts=20, pause=0.02, patience=PATIENCE),
    )
    server.packages |= {"old": modules.package(profile, 1), "new": modules.package(profile, 2, bias=1, filler=1200)}
    prepared = await flash_with_old_module(server, make_device, profile)
    cuts = 0
    while True:
        flash = copy.deepcopy(prepared)
        device = make_device(profile, flash=flash)
        server.device = None
        known = len(server.registrations)
        await device.start()
        server.patience = ENDS
        await server.until_registered(known + 1)
        server.patience = PATIENCE
        flash.cut_power_after(cuts)
        boots = device.boots
        await update(server, device, step)
        restarts = device.boots - boots - (delivery is DeliveryObject.FIRMWARE_UPDATE)
        await device.stop()
        if restarts == 0:
            break
        cuts += 1
    assert cuts >= 15
