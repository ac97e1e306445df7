"""The dashboard of a whole service: what gets in, and that nothing of it is loaded before."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lwm2m_ml.app import running
from lwm2m_ml.config import Settings
from lwm2m_ml.web.address import ROOT

START = """
import asyncio, sys, tempfile
from pathlib import Path
from lwm2m_ml.app import running
from lwm2m_ml.config import Settings

async def main():
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_directory=Path(directory), coap_port=0, coaps=False, api_port=0, insecure=True)
        async with running(settings):
            assert not [name for name in sys.modules if name.partition(".")[0] in {"nicegui", "netron", "socketio"}]

asyncio.run(main())
"""


def test_a_server_without_visitors_loads_nothing_of_the_dashboard() -> None:
    subprocess.run([sys.executable, "-c", START], check=True, timeout=60)


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    settings = Settings(data_directory=tmp_path, coap_port=0, coaps=False, api_port=0, insecure=True)
    async with running(settings) as (where, http, _):
        transport = httpx.ASGITransport(http.config.app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            yield client, where.first_token or ""


async def test_the_server_leads_to_the_dashboard(browser: tuple[httpx.AsyncClient, str]) -> None:
    client, _ = browser
    assert (await client.get("/")).headers["Location"] == f"{ROOT}/"


async def test_the_api_is_where_it_was(browser: tuple[httpx.AsyncClient, str]) -> None:
    client, _ = browser
    assert (await client.get("/api/v1/health")).json()["status"] == "ok"
    assert (await client.get("/nowhere")).status_code == 404
