"""A credential store over a real database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lwm2m_ml.server.credentials.credentials import Credentials
from lwm2m_ml.server.credentials.vault import Vault
from lwm2m_ml.store import Store

OpenCredentials = Callable[[], Awaitable[Credentials]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'test.sqlite3'}")
    yield store
    await store.close()


@pytest.fixture
async def open_credentials(store: Store, tmp_path: Path) -> AsyncIterator[OpenCredentials]:
    opened: list[Credentials] = []

    async def open_one() -> Credentials:
        credentials = Credentials(store.credentials, Vault.open(tmp_path))
        await credentials.load()
        opened.append(credentials)
        return credentials

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
async def credentials(open_credentials: OpenCredentials) -> Credentials:
    return await open_credentials()
