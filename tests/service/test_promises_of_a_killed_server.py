"""Every kind of promise of a real server process is on disk when its answer comes, and is there after SIGKILL."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.delivery_calls import share_encryption_key
from lwm2m_ml.client.schemas.credentials import BootstrapConfiguration, CredentialRequest
from lwm2m_ml.client.schemas.fit import DeviceType
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.lwm2m.codecs import encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record

PATIENCE = 120.0
RESULT = {1: 7, 3: 97.5, 5: 1}


class ServerProcess:
    """`lwm2m-ml serve`, and a look at its database from outside."""

    def __init__(self, directory: Path) -> None:
        self.database = directory / "lwm2m-ml.sqlite3"
        self._directory = directory
        self.facts: dict[str, Any] = {}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = [sys.executable, "-m", "lwm2m_ml", "serve", "--json", "--insecure", "--coaps-port", "0"]
        command += ["--data-directory", str(self._directory), "--coap-port", "0", "--api-port", "0"]
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=nothing)
        assert self._process.stdout is not None
        self.facts = json.loads(await asyncio.wait_for(self._process.stdout.readline(), PATIENCE))

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process._transport.close()  # type: ignore[attr-defined]
            self._process = None

    def holds(self, rows: str) -> bool:
        """Whether another connection sees rows, which are then committed; `rows` is what follows FROM."""
        with sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True, timeout=30.0) as connection:
            (number,) = connection.execute(f"SELECT count(*) FROM {rows}").fetchone()  # noqa: S608 - no input of others
        connection.close()
        return bool(number)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    process = ServerProcess(tmp_path)
    await process.start()
    yield process
    await process.kill()


@pytest.fixture
async def device(server: ServerProcess) -> AsyncIterator["Device"]:
    async with await CoapEndpoint.bind("127.0.0.1", 0) as endpoint:
        host, port = server.facts["coap"].removeprefix("coap://").rsplit(":", 1)
        yield Device(endpoint, (host, int(port)))


class Device:
    """A device that registers and sends results."""

    def __init__(self, endpoint: CoapEndpoint, server: tuple[str, int]) -> None:
        self._endpoint = endpoint
        self._server = server

    async def register(self) -> None:
        query = ["ep=dev", "lt=3000", "lwm2m=1.1", "b=U"]
        assert (await self._post(["rd"], query, b"</1/0>,</3/0>,</42771/0>", 40)).code is Code.CREATED

    async def send_result(self) -> None:
        records = [Record(ObjectPath(42771, 0, resource), value) for resource, value in RESULT.items()]
        payload = encode(records, ContentFormat.SENML_CBOR, ROOT, Catalogue.shipped())
        assert (await self._post(["dp"], [], payload, 112)).code is Code.CHANGED

    async def _post(self, path: list[str], query: list[str], payload: bytes, content_format: int) -> aiocoap.Message:
        message = aiocoap.Message(code=Code.POST, payload=payload, uri_path=path, uri_query=query)
        message.opt.content_format = content_format
        message.remote = self._endpoint.remote(*self._server)
        return await self._endpoint.request(message, timeout=30)


def promises(client: AsyncClient, device: Device) -> dict[str, Callable[[], Awaitable[object]]]:
    """What is asked of the server, by the rows that have to be there when it has answered."""
    board = DeviceType(name="board", target="cortex-m7", storage_bytes=65_536, memory_bytes=32_768)
    return {
        "registrations WHERE endpoint = 'dev'": device.register,
        "results WHERE endpoint = 'dev' AND number = 1": device.send_result,
        "device_requests WHERE endpoint = 'dev'": lambda: client.queue("dev", "read", paths=["/3/0/9"]),
        "device_tags WHERE tag = 'north'": lambda: client.tag_device("dev", add=["north"]),
        "device_groups WHERE name = 'all'": lambda: client.add_group("all", "tag=north"),
        "device_types WHERE name = 'board'": lambda: client.add_device_type(board),
        "credentials WHERE endpoint = 'other'": lambda: client.add_credential(CredentialRequest(endpoint="other")),
        "bootstrap_configurations WHERE pattern = 'new-*'": lambda: client.configure_bootstrap(
            "new-*", BootstrapConfiguration(records=[{"n": "/1/0/1", "v": 60}])
        ),
        "tokens WHERE label = 'mine'": lambda: client.issue_token("mine"),
        "capture_consents WHERE endpoint = 'dev'": lambda: client.allow_captures("dev", 3),
        "encryption_keys WHERE endpoint = 'dev'": lambda: client.send(share_encryption_key("dev", "00" * 16)),
        "model_aliases WHERE alias = 'stable'": lambda: client.set_alias("digits", "stable", "1.0.0"),
        "campaign_devices WHERE endpoint = 'dev'": lambda: client.deploy("digits", ["dev"]),
        "jobs WHERE subject LIKE '%digits%'": lambda: client.compile_variant("digits", "digits-small", "cortex-m4f"),
        "idempotency_keys WHERE answer IS NOT NULL": lambda: client.tag_device("dev", add=["west"]),
        "audit_entries WHERE endpoint = 'dev'": lambda: client.tag_device("dev", add=["south"]),
    }


@pytest.mark.timeout(PATIENCE + 60)
async def test_what_is_answered_is_on_disk_and_outlives_sigkill(server: ServerProcess, device: Device) -> None:
    missing, made = [], []
    async with AsyncClient(server.facts["api"], server.facts["token"]) as client:
        for rows, ask in promises(client, device).items():
            await ask()
            made.append(rows)
            if not await asyncio.to_thread(server.holds, rows):
                missing.append(rows)
        await server.kill()
    assert missing == []
    assert [rows for rows in made if not server.holds(rows)] == []
