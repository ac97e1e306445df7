"""A real server process, killed with SIGKILL at each step of a delivery: it resumes, and nothing is done twice."""

import asyncio
import itertools
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.firmware_update import DeliveryMethod
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.client.tree import ObjectTree
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.faults import FaultInjector
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.inputs.digits import load_digits_split
from lwm2m_ml_simulator.modules.fetching import FetchSettings
from lwm2m_ml_simulator.network.radio import Radio

PATIENCE = 240.0
BLOCK_BYTES, BLOCK_OF_DEATH = 512, 5
PACKAGE = ObjectPath(5, 0, 0)
URGENCY = ["written /5/0/11", "written /5/0/13"]


class ServerProcess:
    """`lwm2m-ml serve` on the same data and ports, however often it is killed."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.kills: list[str] = []
        self.api = self.coap = self.token = ""
        self._process: asyncio.subprocess.Process | None = None
        self._restarts: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        ports = [address.rpartition(":")[2] if address else "0" for address in (self.coap, self.api)]
        command = [sys.executable, "-m", "lwm2m_ml", "serve", "--json", "--insecure", "--coaps-port", "0"]
        command += ["--data-directory", str(self.directory), "--coap-port", ports[0], "--api-port", ports[1]]
        with (self.directory.parent / "server.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        announced = json.loads(await asyncio.wait_for(self._process.stdout.readline(), PATIENCE))
        self.api, self.coap = announced["api"], announced["coap"]
        self.token = self.token or announced["token"]

    def kill(self, step: str) -> None:
        """Once for each step: at this moment there is no server any more; soon there is another one."""
        if step in self.kills or self._process is None:
            return
        self.kills.append(step)
        self._process.send_signal(signal.SIGKILL)
        task = asyncio.create_task(self._restart(self._process))
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def stop(self) -> None:
        await asyncio.gather(*self._restarts)
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()

    async def _restart(self, killed: asyncio.subprocess.Process) -> None:
        await killed.wait()
        await self.start()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    process = ServerProcess(tmp_path / "data")
    await process.start()
    yield process
    await process.stop()


@dataclass
class Seen:
    """What the device did."""

    executed: list[str] = field(default_factory=list)
    packages: int = 0
    blocks: int = 0
    pushes: bool = False
    pushed_blocks: int = 0


@pytest.fixture
def seen(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Watch the device; the server is killed whenever something else has reached it for the first time.

    It dies before it has the answer, so it cannot know whether the device acted.
    """
    seen = Seen()
    write, execute, block_stored = ObjectTree.write, ObjectTree.execute, FaultInjector.block_stored
    hears = Radio.hears

    async def writing(tree: ObjectTree, path: ObjectPath, *arguments: Any, **options: Any) -> None:
        await write(tree, path, *arguments, **options)
        seen.packages += path == PACKAGE
        server.kill(f"written {path}")

    def hearing(radio: Radio, size: int) -> bool:
        heard = hears(radio, size)
        seen.pushed_blocks += heard and size > BLOCK_BYTES and seen.pushes
        if seen.pushed_blocks == BLOCK_OF_DEATH:
            server.kill("in the transfer")
        return heard

    async def executing(tree: ObjectTree, path: ObjectPath, arguments: Any) -> None:
        await execute(tree, path, arguments)
        seen.executed.append(str(path))
        server.kill(f"executed {path}")

    def storing(faults: FaultInjector) -> None:
        block_stored(faults)
        seen.blocks += 1
        if seen.blocks == BLOCK_OF_DEATH:
            server.kill("in the transfer")

    monkeypatch.setattr(Radio, "hears", hearing)
    monkeypatch.setattr(ObjectTree, "write", writing)
    monkeypatch.setattr(ObjectTree, "execute", executing)
    monkeypatch.setattr(FaultInjector, "block_stored", storing)
    return seen


@asynccontextmanager
async def device(
    server: ServerProcess, delivery: DeliveryObject, method: DeliveryMethod
) -> AsyncIterator[SimulatedDevice]:
    async with AsyncClient(server.api, server.token) as client:
        anchor = VerificationKey.from_pem((await client.trust_anchor()).pem.encode())
    profile = DeviceProfile(
        endpoint="mcu",
        target=load_target("cortex-m4f"),
        ram_bytes=65_536,
        working_memory_bytes=32_768,
        slot_bytes=65_536,
        clock_hz=64e6,
        inference_period_ms=100,
        trial_period=600,
        delivery=delivery,
        delivery_method=method,
        fetch=FetchSettings(block_bytes=BLOCK_BYTES, attempts=20, pause=0.5),
        outage=0.2,
    )
    images = itertools.cycle(load_digits_split().test.images)
    async with SimulatedDevice(profile, server.coap, images, [anchor]) as mcu:
        yield mcu


async def survives(server: ServerProcess, deployment: str) -> Any:
    """The deployment when it is finished, asked again and again of whatever server there is."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with AsyncClient(server.api, server.token) as client:
                with suppress(Lwm2mMlError):  # a killed server answers in many ways
                    found = await client.deployment(deployment)
                    if found.finished:
                        return found
            await asyncio.sleep(0.3)


ROADS = [
    pytest.param(
        DeliveryObject.SOFTWARE_MANAGEMENT,
        ["written /9/0/3", "in the transfer", "executed /9/0/4", "executed /9/0/10", "executed /42770/0/13"],
        id="object 9",
    ),
    pytest.param(
        DeliveryObject.FIRMWARE_UPDATE,
        ["written /5/0/1", "in the transfer", *URGENCY, "executed /5/0/2", "executed /42770/0/13"],
        id="object 5",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        DeliveryObject.MODEL_CONFIGURATION,
        ["written /513/0/5", "written /513/0/4", "in the transfer", "written /513/0/13", "executed /42770/0/13"],
        id="object 513",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.timeout(PATIENCE + 60)
@pytest.mark.parametrize(("delivery", "steps"), ROADS)
async def test_a_server_killed_at_every_step_finishes_the_delivery_and_does_nothing_twice(
    server: ServerProcess, seen: Seen, delivery: DeliveryObject, steps: list[str]
) -> None:
    row = await _delivered(server, delivery, DeliveryMethod.BOTH)
    assert server.kills == steps
    assert len(seen.executed) == len(set(seen.executed)), "an Execute without an answer was repeated"
    assert seen.blocks == -(-row.module_bytes // BLOCK_BYTES), "what had arrived was fetched again"


@pytest.mark.timeout(PATIENCE + 60)
async def test_a_server_killed_at_every_step_of_a_push_finishes_it_and_pushes_no_more_than_it_must(
    server: ServerProcess, seen: Seen
) -> None:
    seen.pushes = True
    await _delivered(server, DeliveryObject.FIRMWARE_UPDATE, DeliveryMethod.PUSH)
    steps = ["in the transfer", f"written {PACKAGE}", *URGENCY, "executed /5/0/2", "executed /42770/0/13"]
    assert server.kills == steps
    assert len(seen.executed) == len(set(seen.executed)), "an Execute without an answer was repeated"
    assert seen.packages == 1, "a package that had arrived as a whole was pushed again"
    assert seen.blocks == 0


async def _delivered(server: ServerProcess, delivery: DeliveryObject, method: DeliveryMethod) -> Any:
    """Deploy a model to one device; its row when that is over and went well."""
    async with device(server, delivery, method) as mcu:
        await asyncio.wait_for(_registered(mcu), PATIENCE)
        async with AsyncClient(server.api, server.token) as client:
            started = await client.deploy("digits", ["mcu"])
        (row,) = (await survives(server, started.id)).devices
    assert (row.state, row.reason if row.state == "failed" else "") == ("active", "")
    return row


async def _registered(mcu: SimulatedDevice) -> None:
    while not mcu.is_registered:  # noqa: ASYNC110 - as users look
        await asyncio.sleep(0.05)
