"""A backup taken while the server works becomes an installation that goes on with what was under way."""

import asyncio
import io
import itertools
import json
import shutil
import sqlite3
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lwm2m_ml import backup
from lwm2m_ml.app import Running, running
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.campaigns import Campaign, CampaignCommand, CampaignRequest
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import ConflictError, InvalidInputError, UsageError
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.credentials.credentials import WantedCredential
from lwm2m_ml.store.dtls_sessions import DtlsSessionRecord, Held
from lwm2m_ml.store.restored import LEAP
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.inputs.digits import load_digits_split

PATIENCE = 100.0


@asynccontextmanager
async def served(directory: Path, earlier: Running | None = None) -> AsyncIterator[Running]:
    """A server, on the ports of an earlier one if there was one."""
    ports = {} if earlier is None else {"api": urlsplit(earlier.api).port, "coap": urlsplit(earlier.uris["coap"]).port}
    settings = Settings(
        data_directory=directory,
        insecure=True,
        coap_port=ports.get("coap") or 0,
        coaps_port=0,
        api_port=ports.get("api") or 0,
    )
    async with running(settings) as (where, http, listener):
        task = asyncio.create_task(http.serve(sockets=[listener]))
        yield where
        http.should_exit = True
        await task


async def command(*arguments: str) -> dict[str, object]:
    """What a command prints as JSON."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lwm2m_ml", *arguments, "--json", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0
    printed: dict[str, object] = json.loads(out)
    return printed


@pytest.mark.timeout(3 * PATIENCE)
async def test_a_restored_backup_goes_on_with_a_campaign_that_was_under_way(tmp_path: Path) -> None:
    data, restored, file = tmp_path / "data", tmp_path / "restored", tmp_path / "backup.tar.gz"
    images = itertools.cycle(load_digits_split().test.images)
    async with AsyncExitStack() as outlasting:
        async with served(data) as first, AsyncClient(first.api, first.first_token or "") as client:
            anchor = VerificationKey.from_pem((await client.trust_anchor()).pem.encode())
            await outlasting.enter_async_context(SimulatedDevice(profile(), first.uris["coap"], images, [anchor]))
            await until_known(client)
            campaign = await client.start_campaign(CampaignRequest(model="digits", endpoints=["mcu"]))
            # Held, so that it is under way however long the backup takes.
            await client.command_campaign(campaign.id, CampaignCommand(command="pause"))
            await command("backups", "create", str(file), "--data-directory", str(data))
            assert not (await client.campaign(campaign.id)).finished
        await asyncio.to_thread(shutil.rmtree, data)
        await command("backups", "restore", str(file), "--data-directory", str(restored))
        async with served(restored, first) as again, AsyncClient(again.api, first.first_token or "") as client:
            assert again.first_token is None
            await client.command_campaign(campaign.id, CampaignCommand(command="resume"))
            found = await ended(client, campaign.id)
            devices = await client.campaign_devices(campaign.id)
            assert (found.state, [(one.state, one.reason) for one in devices]) == ("finished", [("active", "")])
            assert "POST /campaigns" in [act.action for act in await client.audit()]


async def ended(client: AsyncClient, campaign_id: str) -> Campaign:
    async with asyncio.timeout(2 * PATIENCE):
        while not (found := await client.campaign(campaign_id)).finished:  # noqa: ASYNC110 - as users look
            await asyncio.sleep(0.2)
    return found


def profile() -> DeviceProfile:
    return DeviceProfile(
        endpoint="mcu",
        target=load_target("cortex-m4f"),
        ram_bytes=65_536,
        working_memory_bytes=32_768,
        slot_bytes=65_536,
        clock_hz=64e6,
        inference_period_ms=100,
        trial_period=600,
        outage=0.2,
    )


async def until_known(client: AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while not [device for device in await client.devices() if device.profile]:  # noqa: ASYNC110 - as users look
            await asyncio.sleep(0.05)


@pytest.fixture
async def installation(tmp_path: Path) -> Path:
    """A data directory with something in it."""
    settings = Settings(data_directory=tmp_path / "data", coap_port=0, api_port=0)
    async with running(settings) as (_, http, _listener):
        server = http.config.app.state.lwm2m_server  # type: ignore[union-attr]
        await server.credentials.add_all([WantedCredential("dev", CredentialKind.OSCORE, {})])
        await server._store.oscore_contexts.reserve("context", 16)
        await server._store.sequence_numbers.next("packages")
        session = DtlsSessionRecord("psk:a", "c1d", ["192.0.2.1", 5684], b"sealed")
        await server._store.dtls_sessions.keep([Held(session, "a", 0, 16)], complete=False)
    return settings.data_directory


def made(directory: Path, tmp_path: Path) -> Path:
    file = tmp_path / "backup.tar.gz"
    backup.create(Settings(data_directory=directory), file)
    return file


async def test_keys_come_along_and_nobody_else_may_read_the_backup(installation: Path, tmp_path: Path) -> None:
    file = made(installation, tmp_path)
    assert file.stat().st_mode & 0o077 == 0
    restored = tmp_path / "restored"
    backup.restore(file, restored)
    assert (restored / "secrets.key").read_bytes() == (installation / "secrets.key").read_bytes()
    assert (restored / "secrets.key").stat().st_mode & 0o077 == 0
    assert restored.stat().st_mode & 0o077 == 0


async def test_counters_that_must_not_go_back_are_set_on(installation: Path, tmp_path: Path) -> None:
    backup.restore(made(installation, tmp_path), tmp_path / "restored")
    with sqlite3.connect(tmp_path / "restored" / backup.DATABASE) as connection:
        contexts = connection.execute("SELECT next_number, taken, saved FROM oscore_contexts").fetchall()
        (number,) = connection.execute("SELECT value FROM sequence_numbers WHERE name = 'packages'").fetchone()
        (sessions,) = connection.execute("SELECT count(*) FROM dtls_sessions").fetchone()
    connection.close()
    assert sessions == 0, "what was sealed with their numbers after the backup is not known"
    assert contexts == [(16 + LEAP, 1, 0)]
    assert number == 1 + LEAP


async def test_an_installation_is_never_overwritten(installation: Path, tmp_path: Path) -> None:
    file = made(installation, tmp_path)
    with pytest.raises(ConflictError, match="not empty"):
        backup.restore(file, installation)


async def test_any_damage_is_seen_and_leaves_nothing_behind(installation: Path, tmp_path: Path) -> None:
    file = made(installation, tmp_path)
    whole = file.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 0x10]) + whole[middle + 1 :]
    for content in (b"", b"nonsense", whole[: len(whole) // 2], flipped):
        file.write_bytes(content)
        with pytest.raises(InvalidInputError):
            backup.restore(file, tmp_path / "restored")
        assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "keys/../../outside", "unlisted"])  # noqa: S108
async def test_a_forged_backup_writes_nothing_outside(installation: Path, tmp_path: Path, name: str) -> None:
    file, forged = made(installation, tmp_path), tmp_path / "forged.tar.gz"
    with tarfile.open(file) as source, tarfile.open(forged, "w:gz") as target:
        for member in source:
            content = source.extractfile(member)
            read = content.read() if content else b""
            if member.name == backup.LIST and name != "unlisted":
                listed = json.loads(read)
                listed["files"][name] = "0" * 64
                read = json.dumps(listed).encode()
                member.size = len(read)
            target.addfile(member, io.BytesIO(read))
        extra = tarfile.TarInfo(name)
        target.addfile(extra, io.BytesIO())
    with pytest.raises(InvalidInputError):
        backup.restore(forged, tmp_path / "deep" / "restored")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == []


def test_what_is_no_installation_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no installation"):
        backup.create(Settings(data_directory=tmp_path), tmp_path / "backup.tar.gz")
    with pytest.raises(UsageError, match="pg_dump"):
        backup.create(Settings(data_directory=tmp_path, database="postgresql://x/y"), tmp_path / "backup.tar.gz")
