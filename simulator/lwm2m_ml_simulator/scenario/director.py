"""Lets the events of a scenario happen, at their moments and to the devices that the seed chooses."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

import structlog

from lwm2m_ml_simulator.inputs.stream import SensorStream
from lwm2m_ml_simulator.scenario.actions import Hit, carry_out
from lwm2m_ml_simulator.scenario.events import Event
from lwm2m_ml_simulator.scenario.fleet import FleetDescription
from lwm2m_ml_simulator.scenario.participant import Participant

_log = structlog.get_logger(__name__)


class Director:
    """The events of one fleet. `tally` counts what was done to how many devices."""

    def __init__(
        self, fleet: FleetDescription, devices: Mapping[str, Participant], streams: Mapping[str, SensorStream]
    ) -> None:
        self.tally: Counter[str] = Counter()
        self._fleet = fleet
        self._devices = devices
        self._streams = streams

    async def run(self) -> None:
        """Let everything happen; ends with the last event, and never where one repeats without end."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as events:
            for number, event in enumerate(self._fleet.events):
                events.create_task(self._play(began, number, event), name=f"{self._fleet.name} event {number + 1}")

    async def _play(self, began: float, number: int, event: Event) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as hits:
            for occurrence, moment in enumerate(event.moments()):
                await asyncio.sleep(began + moment - loop.time())
                name = f"{self._fleet.seed} event {number} {occurrence}"
                chosen = event.hits(list(self._devices), random.Random(name))
                _log.info("event", action=str(event.action), devices=len(chosen))
                for delay, endpoint in chosen:
                    hit = Hit(
                        event,
                        self._devices[endpoint],
                        self._streams.get(endpoint),
                        random.Random(f"{name} {endpoint}"),
                    )
                    hits.create_task(self._hit(delay, hit))

    async def _hit(self, delay: float, hit: Hit) -> None:
        await asyncio.sleep(delay)
        self.tally[hit.event.action] += 1
        undo = await carry_out(hit)
        if undo is not None and hit.event.lasting is not None:
            await asyncio.sleep(hit.event.lasting)
            await undo()
