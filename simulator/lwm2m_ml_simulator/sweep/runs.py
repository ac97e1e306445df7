"""The loop over all cut points of an update, and what became of each."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum

import numpy

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.errors import SimulatorError
from lwm2m_ml_simulator.memory.flash import Flash, FlashRegion
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.modules.decoders import DecoderLimits
from lwm2m_ml_simulator.modules.fetching import FetchSettings
from lwm2m_ml_simulator.processor.machine import FloatArray
from lwm2m_ml_simulator.sweep import packages
from lwm2m_ml_simulator.sweep.server import SweepServer
from lwm2m_ml_simulator.sweep.update import OLD_SLOT, drive

PATIENCE = 0.2
DEFAULT_TARGET = "nrf52840"
_ERASE_BLOCK_BYTES, _WRITE_BYTES = 4096, 4
_START_SECONDS = 10.0
_READINGS = 100_000


class Payload(StrEnum):
    """How the new module comes."""

    RAW = "raw"
    DELTA = "delta"


class Boundary(StrEnum):
    """Where the power is cut."""

    FLASH = "flash operation"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One update to sweep over."""

    delivery: DeliveryObject
    payload: Payload
    boundary: Boundary

    def __str__(self) -> str:
        return f"{self.delivery}, {self.payload}, at each {self.boundary}"


SCENARIOS = tuple(
    Scenario(delivery, payload, boundary) for delivery in DeliveryObject for payload in Payload for boundary in Boundary
)


@dataclass(frozen=True, slots=True)
class CutPoint:
    """What became of one cut; `problem` is empty when all went well."""

    number: int
    problem: str = ""


class Sweep:
    """One scenario: the flash with the old module is prepared once and copied for each cut point.

    Erase blocks and write units, which a cut leaves torn, have the sizes of the target's own flash.
    """

    def __init__(
        self,
        scenario: Scenario,
        catalogue: Catalogue,
        *,
        target: str = DEFAULT_TARGET,
        journal: Callable[[FlashRegion], Journal] = Journal,
    ) -> None:
        self.scenario = scenario
        self._catalogue = catalogue
        self._journal = journal
        self._key = SigningKey.generate()
        delta = scenario.payload is Payload.DELTA
        mcu = load_target(target)
        erase_block_bytes = (mcu.storage and mcu.storage.erase_block) or _ERASE_BLOCK_BYTES
        self._profile = DeviceProfile(
            endpoint="sweep",
            target=mcu,
            ram_bytes=65536,
            working_memory_bytes=32768,
            slot_bytes=-(-4096 // erase_block_bytes) * erase_block_bytes,
            clock_hz=64e6,
            erase_block_bytes=erase_block_bytes,
            write_bytes=(mcu.storage and mcu.storage.write_alignment) or _WRITE_BYTES,
            delivery=scenario.delivery,
            inference_period_ms=1000,
            outage=0.005,
            fetch=FetchSettings(block_bytes=256, attempts=20, pause=0.02, patience=PATIENCE),
            decoders=DecoderLimits(4096, 4096) if delta else DecoderLimits(),
        )

    async def run(self, every: int = 1, first: int = 0) -> list[CutPoint]:
        """Cut at each point, or at each `every`-th from `first` on; ends with the update that no cut disturbs."""
        base = packages.image(0) if self.scenario.payload is Payload.DELTA else None
        async with SweepServer(self._catalogue, patience=PATIENCE) as server:
            server.packages["old"] = packages.package(self._profile, self._key, 1, bias=0)
            server.packages["new"] = packages.package(self._profile, self._key, 2, bias=1, base=base)
            prepared = await self._prepared(server)
            points: list[CutPoint] = []
            number = first
            while True:
                point, was_cut = await self._cut(server, copy.deepcopy(prepared), number)
                if not was_cut and not point.problem:
                    return points
                points.append(point)
                number += every

    async def _cut(self, server: SweepServer, flash: Flash, number: int) -> tuple[CutPoint, bool]:
        """Update with a cut at one point; tells too whether the update lasted until there."""
        failures: list[str] = []
        device = self._device(server, flash)
        with _exceptions(failures):
            try:
                async with _running(server, device):
                    boots = device.boots
                    self._arm(device, flash, number)
                    await drive(server, self.scenario.delivery)
                    planned = self.scenario.delivery is DeliveryObject.FIRMWARE_UPDATE
                    was_cut = device.boots - boots > planned
            except Lwm2mMlError as error:
                return CutPoint(number, f"{type(error).__name__}: {error.message}"), True
        return CutPoint(number, "; ".join(failures)), was_cut

    def _arm(self, device: SimulatedDevice, flash: Flash, number: int) -> None:
        if self.scenario.boundary is Boundary.FLASH:
            flash.cut_power_after(number)
        else:
            device.faults.cut_power_after_messages(number)

    async def _prepared(self, server: SweepServer) -> Flash:
        """Return the flash of a device on which the old module is active."""
        device = self._device(server, None)
        async with _running(server, device):
            firmware = device.firmware
            if firmware is None:
                raise SimulatorError("the device did not start")
            firmware.intakes[OLD_SLOT].push(server.packages["old"])
            await firmware.modules.activate(OLD_SLOT)
            firmware.modules.confirm(OLD_SLOT)
            if firmware.modules.slot(OLD_SLOT).state is not ModuleState.ACTIVE:
                raise SimulatorError("the old module does not run")
        device.flash.on_power_loss = None
        return device.flash

    def _device(self, server: SweepServer, flash: Flash | None) -> SimulatedDevice:
        return SimulatedDevice(
            self._profile,
            server.uri,
            _readings(),
            [self._key.verification_key],
            catalogue=self._catalogue,
            flash=flash,
            journal=self._journal,
        )


def _readings() -> Sequence[FloatArray]:
    return [numpy.arange(packages.INPUT_BYTES, dtype=numpy.float32)] * _READINGS


@asynccontextmanager
async def _running(server: SweepServer, device: SimulatedDevice) -> AsyncIterator[None]:
    known = server.registrations
    server.forget_device()
    async with device:
        if not await server.until_registered(known, _START_SECONDS):
            raise SimulatorError("the device did not register")
        yield


@contextmanager
def _exceptions(failures: list[str]) -> Iterator[None]:
    """Collect what goes wrong in tasks that nobody waits for: a sweep has zero exceptions."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(
        lambda _, context: failures.append(str(context.get("exception") or context.get("message")))
    )
    try:
        yield
    finally:
        loop.set_exception_handler(before)
