"""The story, step by step, through the operator's API as a user would go; each step must be done by a time."""

import asyncio
import io
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.zoo import CalibrationToAdd, ModelToAdd, VariantToAdd
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml_simulator.demonstration.drift.fleet import Wrist
from lwm2m_ml_simulator.demonstration.drift.timeline import Timeline, share

MODEL, NEW_VERSION = "gestures", "1.1.0"
POLL = 1.0
PATIENCE = 240.0
RESULTS_OF_A_PERIOD = 60
"""Results of each device that an accuracy is measured on."""
CAPTURES_WANTED = 25
"""Of each wrist: an alarm of one of them captures more."""
DRIFT = 1.0

Tell = Callable[[str], None]


class Story:
    """Carries the fleet from a good model over drift to a better one."""

    def __init__(self, client: AsyncClient, fleet: Sequence[Wrist], folder: Path, retrain: Path, tell: Tell) -> None:
        self.timeline = Timeline()
        self._client = client
        self._fleet = fleet
        self._folder = folder
        self._retrain = retrain
        self._tell = tell
        self._read = dict.fromkeys((wrist.endpoint for wrist in fleet), 0)
        """The id of the last result of each wrist that was looked at."""
        self._results = dict.fromkeys(self._read, 0)
        """How many results of each wrist were counted."""

    async def run(self) -> tuple[float, float, float]:
        """Tell the story; returns the accuracy before the drift, in it, and after the update, 0 to 1."""
        await self._until("every wrist registered", self._registered)
        await self._deploy()
        before = await self._measure()
        self._note(f"{MODEL} 1.0.0 runs everywhere, {100 * before:.1f} % right")
        for wrist in self._fleet:
            await self._client.allow_captures(wrist.endpoint, 200)
            wrist.stream.drift = DRIFT
        self._note("the wrists are turned: drift begins")
        await self._until("an alarm of drift", self._alarmed)
        (alarm, *_) = await self._client.alarms(only_open=True)
        self._note(f"alarm: {alarm.message}")
        during = await self._measure()
        await self._until("the inputs captured", self._captured)
        figures = await self._learn()
        self._note(
            f"learned from {figures['captured']} captured inputs: {figures['accuracy']:.1f} % right on "
            f"{figures['measured']} kept apart"
        )
        await self._deploy()
        await self._until("the alarms over", self._calm)
        after = await self._measure()
        self._note(f"{MODEL} {NEW_VERSION} runs everywhere, {100 * after:.1f} % right")
        await asyncio.sleep(3 * POLL)
        if not await self._calm():
            raise Lwm2mMlError("The drift came back after the update")
        return before, during, after

    async def _registered(self) -> bool:
        known = {device.endpoint for device in await self._client.devices() if device.profile is not None}
        return {wrist.endpoint for wrist in self._fleet} <= known

    async def _deploy(self) -> None:
        deployment = await self._client.deploy(MODEL, [wrist.endpoint for wrist in self._fleet])

        async def active() -> bool:
            rows = (await self._client.deployment(deployment.id)).devices
            failed = [f"{row.endpoint}: {row.reason}" for row in rows if row.state in {"failed", "refused"}]
            if failed:
                raise Lwm2mMlError(f"A wrist did not take the model: {failed[0]}")
            return all(row.state == "active" for row in rows)

        await self._until("every wrist updated", active)

    async def _alarmed(self) -> bool:
        return bool(await self._client.alarms(only_open=True))

    async def _calm(self) -> bool:
        return not await self._client.alarms(only_open=True)

    async def _captured(self) -> bool:
        return len((await self._data_set())["numbers"]) >= CAPTURES_WANTED * len(self._fleet)

    async def _data_set(self) -> dict[str, Any]:
        content = await self._client.captured_inputs(MODEL)
        with numpy.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    async def _learn(self) -> dict[str, Any]:
        """Tell the true classes of what was captured, train anew, and add the new version to the zoo."""
        captured = await self._data_set()
        by_name = {wrist.endpoint: wrist for wrist in self._fleet}
        for endpoint, number in zip(captured["endpoints"].tolist(), captured["numbers"].tolist(), strict=True):
            true_class = by_name[endpoint].true_class(number)
            if true_class is not None:
                await self._client.give_feedback(endpoint, number, true_class)
        (self._folder / "captured.npz").write_bytes(await self._client.captured_inputs(MODEL))
        figures = await self._train()
        model = await self._client.store_file((self._folder / "model.onnx").read_bytes())
        calibration = await self._client.store_file((self._folder / "calibration.npz").read_bytes())
        known = await self._client.model(MODEL)
        await self._client.add_model(
            ModelToAdd(
                name=MODEL,
                version=NEW_VERSION,
                variants=[
                    VariantToAdd(
                        name="gestures-large", digest=model.digest, macs=figures["macs"], accuracy=figures["accuracy"]
                    )
                ],
                labels=list(known.labels),
                calibration=CalibrationToAdd(digest=calibration.digest, array="windows"),
                data="captured on turned wrists, beside the windows of version 1.0.0",
            )
        )
        await self._client.set_alias(MODEL, "champion", NEW_VERSION)
        return figures

    async def _train(self) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(self._retrain),
            str(self._folder / "captured.npz"),
            str(self._folder),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complaints = await process.communicate()
        if process.returncode:
            raise Lwm2mMlError(f"{self._retrain} failed: {complaints.decode(errors='replace').strip()[-200:]}")
        figures: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return figures

    async def _measure(self) -> float:
        """Wait for enough results of every device from now on; returns the share that was right."""
        await self._count()
        before, begin = dict(self._results), len(self.timeline.tallies)

        async def enough() -> bool:
            return all(self._results[endpoint] - results >= RESULTS_OF_A_PERIOD for endpoint, results in before.items())

        await self._until("results of every wrist", enough)
        return share(self.timeline.tallies[begin:]) or 0.0

    async def _count(self) -> None:
        """Read what came since the last time."""
        right = results = 0
        for wrist in self._fleet:
            found = await self._client.results(wrist.endpoint, after=self._read[wrist.endpoint])
            if not found:
                continue
            self._read[wrist.endpoint] = found[-1].id
            found = [one for one in found if one.version == found[-1].version]
            self._results[wrist.endpoint] += len(found)
            results += len(found)
            right += sum(one.class_index == wrist.true_class(one.number) for one in found)
        self.timeline.count(right, results)

    async def _until(self, what: str, done: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(round(PATIENCE / POLL)):
            if await done():
                return
            await asyncio.sleep(POLL)
            await self._count()
        raise Lwm2mMlError(f"Not within {PATIENCE:.0f} s: {what}")

    def _note(self, what: str) -> None:
        moment = self.timeline.tell(what)
        self._tell(f"{moment.at:6.1f} s  {what}")
