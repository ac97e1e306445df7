"""Runs a fleet in this process: devices join one after the other, and share one pool of emulated CPUs."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Self

import structlog

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.processor.emulation import EmulationPool
from lwm2m_ml_simulator.processor.machine import FloatArray
from lwm2m_ml_simulator.scenario.fleet import FleetDescription

_log = structlog.get_logger(__name__)
_STOPPED_AT_ONCE = 200

StreamOf = Callable[[DeviceProfile], Iterable[FloatArray]]


class FleetRunner:
    """A fleet between `start` and `stop`, or as an async context manager.

    `stream_of` gives each device what its sensor will see. `join_interval` seconds lie between two devices' first
    power-on, so that a large fleet does not register in one instant. `workers` threads emulate all CPUs.
    """

    def __init__(
        self,
        fleet: FleetDescription,
        server_uri: str,
        stream_of: StreamOf,
        trust_anchors: Sequence[VerificationKey],
        *,
        trust_roots: Sequence[VerificationKey] = (),
        join_interval: float = 0.0,
        workers: int | None = None,
        catalogue: Catalogue | None = None,
    ) -> None:
        self.fleet = fleet
        self._join_interval = join_interval
        self._pool = EmulationPool(workers)
        catalogue = catalogue if catalogue is not None else Catalogue.shipped()
        self._devices = {
            profile.endpoint: SimulatedDevice(
                profile,
                server_uri,
                stream_of(profile),
                trust_anchors,
                catalogue=catalogue,
                trust_roots=trust_roots,
                pool=self._pool,
            )
            for profile in fleet.profiles
        }
        self._running: list[SimulatedDevice] = []
        self._joining: asyncio.Task[None] | None = None

    @property
    def devices(self) -> Mapping[str, SimulatedDevice]:
        """All devices by endpoint name, in the order of the fleet."""
        return MappingProxyType(self._devices)

    @property
    def joined(self) -> int:
        """How many devices have been switched on."""
        return len(self._running)

    @property
    def registered(self) -> int:
        """How many devices are registered now."""
        return sum(device.is_registered for device in self._running)

    async def start(self) -> None:
        """Begin to switch the devices on; `all_joined` waits for the last one."""
        self._joining = asyncio.create_task(self._join(), name=f"{self.fleet.name} joins")

    async def all_joined(self) -> None:
        """Wait until every device has been switched on."""
        if self._joining is not None:
            await asyncio.shield(self._joining)

    async def stop(self) -> None:
        """Switch all devices off in good order: each tells the server that it leaves."""
        joining, self._joining = self._joining, None
        if joining is not None:
            joining.cancel()
            await asyncio.gather(joining, return_exceptions=True)
        while self._running:
            leaving, self._running = self._running[:_STOPPED_AT_ONCE], self._running[_STOPPED_AT_ONCE:]
            await asyncio.gather(*(device.stop() for device in leaving))
        self._pool.close()
        _log.info("fleet_stopped", fleet=self.fleet.name)

    async def _join(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for device in self._devices.values():
            await asyncio.sleep(max(0.0, due - loop.time()))
            await device.start()
            self._running.append(device)
            due += self._join_interval
        _log.info("fleet_joined", fleet=self.fleet.name, devices=len(self._running))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
