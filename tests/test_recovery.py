"""A way back in for whoever owns the database, beside a running server or without one."""

import os
import sqlite3
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from lwm2m_ml import recovery
from lwm2m_ml.cli.main import app
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import ConflictError, UsageError
from lwm2m_ml.service.access import AccessTokens, Scope
from lwm2m_ml.store import Store
from lwm2m_ml.store.errors import StoreError
from tests.cli import test_credentials

run = test_credentials.run
server = test_credentials.server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_directory=tmp_path)


@pytest.fixture
async def installation(settings: Settings) -> Settings:
    """The database of a server that is not running."""
    store = await Store.open(settings.database_url)
    await store.close()
    return settings


async def test_a_recovered_token_is_an_admins_and_in_the_audit_log(installation: Settings) -> None:
    token = await recovery._recover(installation, "lost")  # what `admin_token` runs in a loop of its own
    store = await Store.open(installation.database_url)
    caller = await AccessTokens(store.tokens).caller_of(token)
    (entry,) = await store.audit_entries.newest(10)
    await store.close()
    assert caller is not None
    assert caller.scope is Scope.ADMIN
    assert (entry.action, entry.target) == ("tokens recover", "lost")
    assert entry.caller == f"user {os.geteuid()} of this machine"


def test_a_running_server_takes_the_token_at_once(server: dict[str, str]) -> None:
    directory = str(Path(server["log"]).parent)
    tried = run("tokens", "recover", "--data-directory", directory, "--dry-run")
    assert tried.returncode == 0, tried.stderr
    done = run("tokens", "recover", "--data-directory", directory)
    assert done.returncode == 0, done.stderr
    headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
    tokens = httpx.get(f"{server['LWM2M_ML_SERVER']}/api/v1/tokens", headers=headers, timeout=60).json()["items"]
    assert sorted(one["label"] for one in tokens) == ["first admin", "recovered"]
    (entry,) = httpx.get(f"{server['LWM2M_ML_SERVER']}/api/v1/audit", headers=headers, timeout=60).json()["items"]
    assert entry["action"] == "tokens recover"


def test_where_there_is_no_installation_none_is_made(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no installation"):
        recovery.admin_token(settings, "x")
    assert list(tmp_path.iterdir()) == []


def test_another_user_is_refused_before_files_are_made(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lwm2m-ml.sqlite3").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    with pytest.raises(UsageError, match="belongs to user"):
        recovery.check(settings)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_database_of_another_release_is_left_as_it_is(installation: Settings, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "lwm2m-ml.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    with pytest.raises(ConflictError, match="another release"):
        recovery.admin_token(installation, "x")


def test_what_is_no_database_is_said(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "lwm2m-ml.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError):
        recovery.check(settings)


def test_a_dry_run_makes_no_token(installation: Settings, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["tokens", "recover", "--data-directory", str(tmp_path), "--dry-run"])
    assert done.exit_code == 0, done.output
    with sqlite3.connect(tmp_path / "lwm2m-ml.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM tokens").fetchone() == (0,)
    connection.close()
