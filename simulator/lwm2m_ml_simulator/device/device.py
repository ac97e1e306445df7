"""A simulated microcontroller: a board that keeps its flash, and firmware that starts anew with every power-on."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

import structlog

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.device.clock import DeviceClock
from lwm2m_ml_simulator.device.data_feed import data_instances
from lwm2m_ml_simulator.device.faults import FaultInjector
from lwm2m_ml_simulator.device.firmware import Board, Firmware
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.gateway.end_device import EndDevice
from lwm2m_ml_simulator.inference.log import InferenceLog
from lwm2m_ml_simulator.inference.sensor import Sensor
from lwm2m_ml_simulator.learning.examples import Example, ExampleStore
from lwm2m_ml_simulator.memory.flash import Flash, FlashRegion, PowerCut
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.network.radio import Radio
from lwm2m_ml_simulator.processor.emulation import EmulationPool
from lwm2m_ml_simulator.processor.machine import FloatArray

_log = structlog.get_logger(__name__)
# A reboot that a server asked for waits until the answer has left.
_REBOOT_DELAY = 0.1


class SimulatedDevice:
    """One device. Its flash and its record of inferences outlive every reboot and power cut."""

    def __init__(
        self,
        profile: DeviceProfile,
        server_uri: str,
        stream: Iterable[FloatArray],
        trust_anchors: Sequence[VerificationKey],
        *,
        catalogue: Catalogue | None = None,
        flash: Flash | None = None,
        trust_roots: Sequence[VerificationKey] = (),
        journal: Callable[[FlashRegion], Journal] = Journal,
        pool: EmulationPool | None = None,
        kept_inferences: int | None = None,
        examples: Iterable[Example] = (),
        behind: Mapping[str, EndDevice] | None = None,
    ) -> None:
        """`behind`: what registers with it, where the device is a gateway (`gateway.gateway`)."""
        self.profile = profile
        self.flash = flash if flash is not None else _new_flash(profile)
        self.inferences = InferenceLog(kept_inferences)
        self.boots = 0
        self.firmware: Firmware | None = None
        self.faults = FaultInjector(profile.faults, self.flash)
        self.clock = DeviceClock(profile.clock_skew)
        self.radio = Radio(profile.radio, passes=self.faults.message_passes)
        self._board = Board(
            profile,
            self.flash,
            Sensor(stream),
            self.faults,
            self.inferences,
            self.radio,
            self.clock,
            tuple(trust_anchors),
            tuple(trust_roots),
            journal,
            pool,
            data_instances(profile.objects, profile.seed),
            dict(profile.claims),
            examples=ExampleStore(examples),
            behind=behind if behind is not None else {},
        )
        self._server_uri = server_uri
        self._catalogue = catalogue if catalogue is not None else Catalogue.shipped()
        self._restart = asyncio.Event()
        self._stopping = False
        self._deregisters = True
        self._outage_seconds: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._log = _log.bind(endpoint=profile.endpoint)
        self.flash.on_power_loss = self._restart.set

    @property
    def endpoint(self) -> str:
        """The endpoint name."""
        return self.profile.endpoint

    @property
    def is_on(self) -> bool:
        """Whether the device is switched on; it may be without power for a moment."""
        return self._task is not None

    @property
    def is_registered(self) -> bool:
        """Whether a server knows the device now."""
        return self.firmware is not None and self.firmware.client.registered.is_set()

    @property
    def client(self) -> Lwm2mClient | None:
        """The LwM2M client of the firmware that runs now, if one does."""
        return self.firmware.client if self.firmware is not None else None

    @property
    def claims(self) -> dict[ObjectPath, Value]:
        """What the firmware says of resources in place of the truth; it goes on lying after a reboot."""
        return self._board.claims

    def on_acknowledged(self, told: Callable[[Sequence[Record]], None]) -> None:
        """Tell of each message of results that the server has acknowledged."""
        self._board.on_acknowledged = told

    async def start(self) -> None:
        """Switch the device on."""
        self._stopping, self._deregisters = False, True
        if not self.flash.powered:
            self.flash.power_on()
        self._task = asyncio.create_task(self._live(), name=f"{self.endpoint} device")

    async def stop(self, *, deregister: bool = True) -> None:
        """Switch the device off: in good order, or without a word to its servers."""
        self._stopping, self._deregisters = True, deregister
        self._restart.set()
        task, self._task = self._task, None
        if task is not None:
            await task

    def cut_power(self, outage: float | None = None) -> None:
        """Pull the plug now; the device comes back after that many seconds, by default those of its profile."""
        if self.flash.powered:
            self._outage_seconds = outage
            self.flash.lose_power_now()

    def rot(self, source: random.Random) -> None:
        """Let one bit flip in a module that lies in flash; which one is up to `source`."""
        firmware = self.firmware
        module = firmware.modules.in_use if firmware is not None else None
        if firmware is None or module is None:
            return
        address = firmware.modules.payload_address(module) + source.randrange(module.payload_bytes)
        self.flash.flip_bit(address, source.randrange(8))

    def reboot(self) -> None:
        """Restart soon."""
        asyncio.get_running_loop().call_later(_REBOOT_DELAY, self._restart.set)

    async def _live(self) -> None:
        while not self._stopping:
            self._restart.clear()
            with contextlib.suppress(PowerCut):
                await self._run_until_restart()
            firmware, self.firmware = self.firmware, None
            if firmware is not None:
                await firmware.stop(deregister=self._stopping and self._deregisters and self.flash.powered)
            if not self.flash.powered:
                self._log.info("power_cut", operations=self.flash.operations)
                await self._outage()
                self.flash.power_on()

    async def _outage(self) -> None:
        """Lie dead for a while, unless the simulation ends."""
        seconds, self._outage_seconds = self._outage_seconds, None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.profile.outage if seconds is None else seconds):
                while not self._stopping:
                    self._restart.clear()
                    await self._restart.wait()

    async def _run_until_restart(self) -> None:
        self.boots += 1
        self.firmware = Firmware(self._board, self._server_uri, self._catalogue, on_reboot=self.reboot)
        await self.firmware.start()
        await self._restart.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()


def _new_flash(profile: DeviceProfile) -> Flash:
    return Flash(profile.geometry, seed=profile.seed, endurance=profile.flash_endurance)
