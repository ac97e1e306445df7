"""Runs a fleet in this process: devices join one after the other, and share one pool of emulated CPUs."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Self

import structlog

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.plain import PlainDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.inputs.digits import Digits
from lwm2m_ml_simulator.inputs.stream import SensorStream
from lwm2m_ml_simulator.network.ports import PortBook
from lwm2m_ml_simulator.processor.emulation import EmulationPool
from lwm2m_ml_simulator.processor.machine import FloatArray
from lwm2m_ml_simulator.scenario.director import Director
from lwm2m_ml_simulator.scenario.events import Event
from lwm2m_ml_simulator.scenario.fleet import FleetDescription
from lwm2m_ml_simulator.scenario.participant import Participant

_log = structlog.get_logger(__name__)
_STOPPED_AT_ONCE = 200

StreamOf = Callable[[DeviceProfile], Iterable[FloatArray]]


class FleetRunner:
    """A fleet between `start` and `stop`, or as an async context manager.

    `stream_of` gives each device what its sensor will see, in place of what the fleet says. `join_interval` seconds lie
    between two devices' first power-on where the fleet says nothing of that, so that a large fleet does not register in
    one instant. `workers` threads emulate all CPUs. Each device remembers its last `kept_inferences`, or all of them.
    The fleet's events begin to count with `start`.
    """

    def __init__(
        self,
        fleet: FleetDescription,
        server_uri: str,
        stream_of: StreamOf | None = None,
        trust_anchors: Sequence[VerificationKey] = (),
        *,
        trust_roots: Sequence[VerificationKey] = (),
        join_interval: float = 0.0,
        workers: int | None = None,
        catalogue: Catalogue | None = None,
        kept_inferences: int | None = None,
    ) -> None:
        self.fleet = fleet
        self.streams: dict[str, SensorStream] = {}
        """What the fleet's own inputs show each device; without those that `stream_of` gives."""
        self.pool = EmulationPool(workers)
        self._join_interval = join_interval
        catalogue = catalogue if catalogue is not None else Catalogue.shipped()
        self._devices = {
            profile.endpoint: SimulatedDevice(
                profile,
                server_uri,
                stream_of(profile) if stream_of is not None else self._stream(profile),
                trust_anchors,
                catalogue=catalogue,
                trust_roots=trust_roots,
                pool=self.pool,
                kept_inferences=kept_inferences,
            )
            for profile in fleet.profiles
        }
        plain = {profile.endpoint: PlainDevice(profile, server_uri, catalogue=catalogue) for profile in fleet.plain}
        self._participants: dict[str, Participant] = {**self._devices, **plain}
        ports = PortBook()
        for participant in self._participants.values():
            participant.radio.ports = ports
        self.director = Director(fleet, self._participants, self.streams)
        self._running: list[Participant] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def devices(self) -> Mapping[str, SimulatedDevice]:
        """All devices with a microcontroller by endpoint name, in the order of the fleet."""
        return MappingProxyType(self._devices)

    @property
    def participants(self) -> Mapping[str, Participant]:
        """All devices by endpoint name, those with a microcontroller first."""
        return MappingProxyType(self._participants)

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
        self._tasks = [
            asyncio.create_task(self._join(), name=f"{self.fleet.name} joins"),
            asyncio.create_task(self.director.run(), name=f"{self.fleet.name} events"),
        ]

    async def all_joined(self) -> None:
        """Wait until every device has been switched on."""
        if self._tasks:
            await asyncio.shield(self._tasks[0])

    async def run(self, seconds: float | None = None) -> None:
        """Wait for so long, or until all have joined and all events are over; raises what went wrong in an event."""
        waiting = asyncio.gather(*map(asyncio.shield, self._tasks))
        try:
            async with asyncio.timeout(seconds):
                await waiting
                if seconds is not None:
                    await asyncio.get_running_loop().create_future()
        except TimeoutError:
            return

    def direct(self, events: Sequence[Event]) -> asyncio.Task[None]:
        """Let further events happen, counted from now on; the task ends with the last one."""
        director = Director(dataclasses.replace(self.fleet, events=tuple(events)), self._participants, self.streams)
        director.tally = self.director.tally
        return asyncio.create_task(director.run(), name=f"{self.fleet.name} further events")

    async def stop(self) -> None:
        """Switch all devices off in good order: each tells the server that it leaves."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._running:
            leaving, self._running = self._running[:_STOPPED_AT_ONCE], self._running[_STOPPED_AT_ONCE:]
            await asyncio.gather(*(device.stop() for device in leaving))
        self.pool.close()
        _log.info("fleet_stopped", fleet=self.fleet.name)

    def _stream(self, profile: DeviceProfile) -> SensorStream:
        source, drift = self.fleet.inputs.get(profile.endpoint) or (Digits(), 0.0)
        stream = self.streams[profile.endpoint] = SensorStream(source, profile.seed, drift=drift)
        return stream

    async def _join(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for moment, device in self._join_order():
            await asyncio.sleep(max(0.0, began + moment - loop.time()))
            if not device.is_on:  # An event may have switched it on already.
                await device.start()
            self._running.append(device)
        _log.info("fleet_joined", fleet=self.fleet.name, devices=len(self._running))

    def _join_order(self) -> list[tuple[float, Participant]]:
        """Return when each device is switched on for the first time, in seconds after the start."""
        due = 0.0
        order: list[tuple[float, Participant]] = []
        for endpoint, device in self._participants.items():
            told = self.fleet.joins.get(endpoint)
            order.append((due if told is None else told, device))
            if told is None:
                due += self._join_interval
        return sorted(order, key=lambda entry: entry[0])

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
