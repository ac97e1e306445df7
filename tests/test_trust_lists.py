"""A key is rotated and revoked with commands while the server runs; the device hears of it and acts on it."""

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lwm2m_ml.app import running
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.config import Settings
from lwm2m_ml.module.inspection import sign_again
from lwm2m_ml.module.key_folder import open_key_store
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml.module.signing import SigningKey, VerificationKey
from lwm2m_ml.service import trust_distribution
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.service.service import TinyMLService
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.inputs.digits import load_digits_split

PATIENCE = 60.0


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TinyMLService]:
    monkeypatch.setattr(trust_distribution, "LOOK_SECONDS", 0.1)
    settings = Settings(data_directory=tmp_path, insecure=True, coap_port=0, coaps_port=0, api_port=0)
    async with running(settings) as (_, http, listener):
        task = asyncio.create_task(http.serve(sockets=[listener]))
        yield http.config.app.state.service  # type: ignore[union-attr]
        http.should_exit = True
        await task


@pytest.fixture
async def device(service: TinyMLService) -> AsyncIterator[SimulatedDevice]:
    """A device that was made with the present keys, and runs a module signed with them."""
    profile = DeviceProfile(
        endpoint="mcu",
        target=load_target("cortex-m4f"),
        ram_bytes=65_536,
        working_memory_bytes=32_768,
        slot_bytes=65_536,
        clock_hz=64e6,
        inference_period_ms=5,
        outage=0.2,
    )
    images = itertools.cycle(load_digits_split().test.images[:50])
    anchor, root = VerificationKey.from_pem(service.trust_anchor), VerificationKey.from_pem(service.trust_root or b"")
    async with SimulatedDevice(profile, service.coap_uri, images, [anchor], trust_roots=[root]) as mcu:
        yield mcu


async def command(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lwm2m_ml", *arguments, "--json", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0
    json.loads(out)


async def value(service: TinyMLService, path: str) -> object:
    (record,) = await service.operations.read("mcu", path)
    return record.value


async def until(service: TinyMLService, path: str, *wanted: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await value(service, path) not in wanted:  # noqa: ASYNC110 - as operators look
            await asyncio.sleep(0.02)


async def deployed(service: TinyMLService) -> bytes:
    """The package that the device runs, as the service delivered it."""
    async with asyncio.timeout(PATIENCE):
        while not service.devices():  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.01)
        started = await service.deploy("digits", ["mcu"])
        while not (ended := await service.campaigns.get(started.campaign.id)).campaign.finished:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    (row,) = ended.devices
    assert row.state is DeviceState.ACTIVE
    return await service.package(row.module_digest or "")


async def attempt(service: TinyMLService, package: bytes) -> tuple[object, object]:
    """Have the device fetch a package into its free slot; state and result of the slot."""
    await service.operations.write("mcu", "/9/1/3", service.downloads.publish(package, endpoint="mcu").uri)
    await until(service, "/42770/1/11", ModuleState.STAGED, ModuleState.FAILED)
    told = await value(service, "/42770/1/11"), await value(service, "/42770/1/12")
    if told[0] == ModuleState.STAGED:
        await service.operations.execute("mcu", "/9/1/6")
        await until(service, "/42770/1/11", ModuleState.EMPTY)
    return told


ACCEPTED = ModuleState.STAGED, ModuleResult.INITIAL
REFUSED = ModuleState.FAILED, ModuleResult.SIGNATURE_INVALID


async def test_what_a_revoked_key_signed_is_refused_by_a_device_that_accepted_it_before(
    service: TinyMLService, device: SimulatedDevice, tmp_path: Path
) -> None:
    package, keys = await deployed(service), open_key_store(tmp_path)
    old = keys.signing_key()

    def signed(key: SigningKey, number: int) -> bytes:
        return sign_again(package, key, number)

    await command("keys", "rotate", "--overlap", "30", "--data-directory", str(tmp_path))
    new = keys.signing_key()
    assert new.key_id != old.key_id
    await until(service, "/42769/0/35", 2)
    assert await attempt(service, signed(old, 1_001)) == ACCEPTED
    assert await attempt(service, signed(new, 1_002)) == ACCEPTED

    await command("keys", "revoke", old.key_id.hex(), "--data-directory", str(tmp_path))
    await until(service, "/42769/0/35", 3)
    assert await attempt(service, signed(old, 1_003)) == REFUSED
    assert await attempt(service, signed(new, 1_004)) == ACCEPTED
