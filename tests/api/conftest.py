"""A whole service with its API on free ports, and clients of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from lwm2m_ml.app import ApiServer, Running, running
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.own_definitions import FOLDER, add_file
from lwm2m_ml.service.access import AccessTokens, Scope
from lwm2m_ml.service.repeats import Repeats

PATIENCE = 60.0
"""Seconds for an answer of a server that shares its machine."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[Running, ApiServer]]:
    add_file(tmp_path / FOLDER, Path(__file__).with_name("notes.xml"))
    settings = Settings(data_directory=tmp_path, coap_port=0, api_port=0, insecure=True, api_rate=0)
    async with running(settings) as (where, http, listener):
        task = asyncio.create_task(http.serve(sockets=[listener]))
        yield where, http
        http.should_exit = True
        await task


@pytest.fixture
def where(server: tuple[Running, ApiServer]) -> Running:
    return server[0]


@pytest.fixture
async def client(where: Running) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(where.api, where.first_token or "") as client:
        yield client


@pytest.fixture
async def http(where: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Raw HTTP, without a token."""
    async with httpx.AsyncClient(base_url=where.api, timeout=PATIENCE) as http:
        yield http


@pytest.fixture
def api(server: tuple[Running, ApiServer]) -> FastAPI:
    application = server[1].config.app
    assert isinstance(application, FastAPI)
    return application


@pytest.fixture
def repeats(api: FastAPI) -> Repeats:
    found: Repeats = api.state.service.repeats
    return found


@pytest.fixture
def issue(api: FastAPI) -> Callable[[Scope], Awaitable[str]]:
    """Makes tokens of a scope."""
    tokens: AccessTokens = api.state.access_tokens

    async def make(scope: Scope) -> str:
        return await tokens.issue(scope, "test")

    return make
