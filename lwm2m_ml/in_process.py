"""The whole service in the caller's process and on the caller's event loop, for simulations and tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwm2m_ml.app import running
from lwm2m_ml.config import Settings


@dataclass(frozen=True, slots=True)
class InProcessServer:
    """`uri` is where devices register over plain CoAP, `api` the operator's API as an ASGI application."""

    uri: str
    api: Any
    token: str


@asynccontextmanager
async def in_process(directory: Path) -> AsyncIterator[InProcessServer]:
    """Run the service while the block runs, with its data in `directory`, on free ports of 127.0.0.1.

    Nobody serves its API over HTTP: hand `api` to `httpx.ASGITransport`.
    """
    settings = Settings(
        data_directory=directory, coap_host="127.0.0.1", coap_port=0, coaps=False, api_port=0, insecure=True
    )
    async with running(settings) as (where, http, _):
        yield InProcessServer(where.uris["coap"], http.config.app, where.first_token or "")
