"""The story through the operator's API, as a user would go: a trainable model, rounds, and what they bring."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.federated import FederatedAnswer, FederatedRequest, FederatedRun
from lwm2m_ml.client.schemas.zoo import CalibrationToAdd, ModelToAdd, VariantToAdd
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.learning.terms import VectorEncoding
from lwm2m_ml.learning.update import Update
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml_simulator.demonstration.federated.costs import DeviceCosts, RadioCosts, Traffic
from lwm2m_ml_simulator.demonstration.federated.examiner import Examiner
from lwm2m_ml_simulator.demonstration.federated.fleet import TARGETS
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.object_ids import ML_LEARNING

MODEL, VERSION = "reader", "1.0.0"
POLL, PATIENCE = 0.5, 900.0
LOOK_EVERY = 5
"""Rounds between two looks at how good the parameters are."""
UPDATE = 18

AVERAGING: dict[str, Any] = {
    "start": "zeros",
    "mode": "averaging",
    "local": {"epochs": 2, "batch": 5, "rate": 0.1},
    "server": {"rate": 1.0, "momentum": 0.8},
    "privacy": {"clip": 5.0},
}
PARAMETER_SERVER: dict[str, Any] = {
    "start": "zeros",
    "mode": "parameter server",
    "server": {"rate": 0.05, "momentum": 0.9},
    "privacy": {"clip": 50.0},
}

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Learnt:
    """One run: accuracy by round, what a device of each target spent in a round, and what was rejected."""

    name: str
    run: FederatedRun
    accuracy: dict[int, float]
    devices: dict[str, DeviceCosts]
    radio: RadioCosts
    rejected: tuple[FederatedAnswer, ...]
    seconds: float

    @property
    def final(self) -> float:
        """The accuracy at the end, 0 to 1."""
        return self.accuracy[max(self.accuracy)]

    def reached(self, accuracy: float) -> int | None:
        """The first round looked at from which on this accuracy was not lost again."""
        good: int | None = None
        for number in sorted(self.accuracy, reverse=True):
            if self.accuracy[number] < accuracy:
                break
            good = number
        return good


class Story:
    """Brings the model to the devices, and lets them learn."""

    def __init__(self, client: AsyncClient, fleet: Sequence[SimulatedDevice], tell: Tell) -> None:
        self._client = client
        self._fleet = fleet
        self._tell = tell

    async def deploy(self, model: Path, calibration: Path) -> None:
        """Add the model to the zoo and bring it to every device."""
        file, samples = [await self._client.store_file(path.read_bytes()) for path in (model, calibration)]
        await self._client.add_model(
            ModelToAdd(
                name=MODEL,
                version=VERSION,
                variants=[VariantToAdd(name=MODEL, digest=file.digest)],
                labels=[str(digit) for digit in range(10)],
                calibration=CalibrationToAdd(digest=samples.digest, array="images"),
            )
        )
        await self._until("every device registered", self._registered)
        made = await self._client.deploy(MODEL, [device.endpoint for device in self._fleet])

        async def active() -> bool:
            rows = (await self._client.deployment(made.id)).devices
            failed = [f"{row.endpoint}: {row.reason}" for row in rows if row.state in {"failed", "refused"}]
            if failed:
                raise Lwm2mMlError(f"A device did not take the model: {failed[0]}")
            return all(row.state == "active" for row in rows)

        await self._until("every device runs the model", active)
        self._tell(f"{len(self._fleet)} devices run {MODEL} {VERSION}")

    async def learn(self, name: str, plan: dict[str, Any]) -> Learnt:
        """Run one plan to its end; a device lies once, before it is asked."""
        traffic, began = Traffic(self._fleet), time.monotonic()
        run = await self._client.start_federated(FederatedRequest(model=MODEL, plan=plan, name=name))
        await self._lie(run)
        await self._until(f"{name} is over", lambda: self._over(run.id))
        run = await self._client.federated_run(run.id)
        seconds = time.monotonic() - began
        if run.state != "finished":
            raise Lwm2mMlError(f"{name} is {run.state}: {run.reason}")
        answers = [
            answer
            for number in range(1, run.rounds + 2)
            for answer in await self._client.federated_answers(run.id, number)
        ]
        targets = {device.endpoint: device.profile.target.name for device in self._fleet}
        asked = sum(one.asked for one in await self._client.federated_rounds(run.id))
        learnt = Learnt(
            name,
            run,
            await self._accuracy(run),
            {
                target: DeviceCosts.of(one for one in answers if targets.get(one.endpoint) == target)
                for target in TARGETS
            },
            traffic.of_a_round(asked),
            tuple(answer for answer in answers if answer.outcome == "rejected"),
            seconds,
        )
        self._tell(f"{name}: {100 * learnt.final:.1f} % right after {run.round} rounds, {seconds:.0f} s")
        return learnt

    async def same_on_every_core(self, learnt: Learnt) -> bool:
        """Whether the last parameters make every kind of device equally good."""
        weights = await self._weights(learnt.run.id, learnt.run.round)
        found = {
            await Examiner.of(next(one for one in self._fleet if one.profile.target.name == target)).accuracy(weights)
            for target in TARGETS
        }
        return len(found) == 1

    async def _accuracy(self, run: FederatedRun) -> dict[int, float]:
        examiner = Examiner.of(self._fleet[0])
        numbers = sorted({*range(LOOK_EVERY, run.rounds + 1, LOOK_EVERY), run.rounds})
        return {number: await examiner.accuracy(await self._weights(run.id, number)) for number in numbers}

    async def _weights(self, run_id: str, number: int) -> bytes:
        return base64.b64decode((await self._client.federated_weights(run_id, number)).content)

    async def _lie(self, run: FederatedRun) -> None:
        """The last device sends an update that nobody asked for, a million times too long."""
        client = self._fleet[-1].client
        if client is None:
            return
        delta = numpy.full(run.parameters, 1e6, numpy.float32)
        content = Update(bytes(16), bytes(32), 1, 0.0, delta).encode(VectorEncoding.INT8)
        await client.send([Record(ObjectPath(ML_LEARNING, 0, UPDATE), content)])

    async def _registered(self) -> bool:
        known = {device.endpoint for device in await self._client.devices() if device.profile is not None}
        return {device.endpoint for device in self._fleet} <= known

    async def _over(self, run_id: str) -> bool:
        found = await self._client.federated_run(run_id)
        return found.finished or found.state == "paused"

    async def _until(self, what: str, done: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(round(PATIENCE / POLL)):
            if await done():
                return
            await asyncio.sleep(POLL)
        raise Lwm2mMlError(f"Not within {PATIENCE:.0f} s: {what}")
