"""One update from the old module in slot 0 to the new one in slot 1, pushed on until it is done."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from lwm2m_ml.lwm2m.firmware_update import State
from lwm2m_ml.lwm2m.software_management import UpdateState
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml_simulator.device.profile import DeliveryObject
from lwm2m_ml_simulator.errors import SimulatorError
from lwm2m_ml_simulator.modules.slots import IN_USE
from lwm2m_ml_simulator.sweep.server import Away, SweepServer

OLD_SLOT, NEW_SLOT = 0, 1
ENDS_AFTER = 15.0
_PAUSE = 0.005
_REBOOT_SECONDS = 1.0


class ModuleLost(SimulatorError):
    """The device had neither the old nor the new module in use."""


class UpdateStuck(SimulatorError):
    """The update did not come to its end."""


async def drive(server: SweepServer, delivery: DeliveryObject) -> None:
    """Push the update on until the new module is active; raises ModuleLost, UpdateStuck."""
    step = _STEPS[delivery]
    states: list[Value] = []
    try:
        async with asyncio.timeout(ENDS_AFTER):
            while True:
                try:
                    states = [await server.value(f"/42770/{slot}/11") for slot in (OLD_SLOT, NEW_SLOT)]
                    if not IN_USE & set(states):
                        raise ModuleLost(f"the slots are in the states {states}")
                    if states[NEW_SLOT] == ModuleState.ACTIVE:
                        return
                    if states[NEW_SLOT] == ModuleState.TRIAL:
                        await server.execute(f"/42770/{NEW_SLOT}/13")
                    else:
                        await step(server)
                except Away:
                    await asyncio.sleep(_PAUSE)
    except TimeoutError:
        raise UpdateStuck(f"after {ENDS_AFTER:g} s the slots are in the states {states}") from None


async def _software_step(server: SweepServer) -> None:
    path = f"/9/{NEW_SLOT}"
    match await server.value(f"{path}/7"), await server.value(f"/42770/{NEW_SLOT}/11"):
        case UpdateState.INITIAL, _:
            await server.write(f"{path}/3", server.package_uri("new"))
        case UpdateState.DELIVERED, _:
            await server.execute(f"{path}/4")
        case UpdateState.INSTALLED, ModuleState.STAGED:
            await server.execute(f"{path}/10")
        case UpdateState.INSTALLED, ModuleState.FAILED:  # Reset during its trial.
            await server.execute(f"{path}/6")


async def _firmware_step(server: SweepServer) -> None:
    match await server.value("/5/0/3"), await server.value(f"/42770/{NEW_SLOT}/11"):
        case State.DOWNLOADED, _:
            known = server.registrations
            with contextlib.suppress(Away):  # Whether it arrived is seen by what the device does next.
                await server.execute("/5/0/2")
            await server.until_registered(known, _REBOOT_SECONDS)
        case State.IDLE, ModuleState.EMPTY | ModuleState.FAILED:
            await server.write("/5/0/1", server.package_uri("new"))


async def _configuration_step(server: SweepServer) -> None:
    path = f"/513/{NEW_SLOT}"
    match await server.value(f"/42770/{NEW_SLOT}/11"), await server.value(f"{path}/4"):
        case ModuleState.STAGED, _:
            await server.write(f"{path}/13", True)
        case ModuleState.FAILED, _:  # Reset during its trial.
            await server.write(f"{path}/4", server.package_uri("new"))
        case ModuleState.EMPTY, "":
            await server.write(f"{path}/4", server.package_uri("new"))


_STEPS: dict[DeliveryObject, Callable[[SweepServer], Awaitable[None]]] = {
    DeliveryObject.SOFTWARE_MANAGEMENT: _software_step,
    DeliveryObject.FIRMWARE_UPDATE: _firmware_step,
    DeliveryObject.MODEL_CONFIGURATION: _configuration_step,
}
