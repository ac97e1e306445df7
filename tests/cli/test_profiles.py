"""Profiles: kept for their owner only, and their tokens shown to nobody but their server."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lwm2m_ml.cli import profile_file
from lwm2m_ml.cli.main import app
from lwm2m_ml.cli.profile_file import Profile, Profiles
from lwm2m_ml.errors import Lwm2mMlError, UsageError


class Heard(list[tuple[str, str | None]]):
    """Paths and tokens that a server was asked with."""

    url: str = ""


@pytest.fixture
def servers() -> Iterator[tuple[Heard, Heard]]:
    """Two servers that answer every request with an empty page."""
    heard = Heard(), Heard()
    running = []
    for one in heard:

        class Handler(BaseHTTPRequestHandler):
            told = one

            def do_GET(self) -> None:
                self.told.append((self.path, self.headers.get("Authorization")))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"items": [], "next": null}')

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        one.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((http, thread))
    yield heard
    for http, thread in running:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("LWM2M_ML_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    profile_file.choose("")
    return tmp_path / "lwm2m-ml" / profile_file.FILE_NAME


def run(*arguments: str, token: str | None = None, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments, input=token)
    given = result.exception.exit_code if isinstance(result.exception, Lwm2mMlError) else result.exit_code
    assert given == code, (result.exception, result.output)
    return result.stdout


def add(name: str, server: str, token: str) -> None:
    run("profiles", "add", name, "--server", server, "--token-file", "-", token=token)


def test_the_file_is_for_its_owner_and_the_list_shows_no_token(config: Path) -> None:
    add("plant", "http://127.0.0.1:1", "secret-token")
    assert config.stat().st_mode & 0o777 == 0o600
    listed = run("profiles", "list", "--json")
    assert "secret-token" not in listed
    assert json.loads(listed) == [{"name": "plant", "server": "http://127.0.0.1:1", "token": True, "in_use": True}]
    assert "secret-token" not in repr(profile_file.load())


def test_a_file_that_others_may_read_is_refused(config: Path) -> None:
    add("plant", "http://127.0.0.1:1", "secret-token")
    config.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        profile_file.load()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"current": "", "profiles": {"a": 1}}', '{"current": "", "profiles": []}']
)
def test_a_damaged_file_is_one_sentence(config: Path, content: str) -> None:
    config.parent.mkdir()
    config.write_text(content)
    config.chmod(0o600)
    with pytest.raises(UsageError, match="cannot be used"):
        profile_file.load()


def test_a_profiles_token_goes_to_its_server_only(servers: tuple[Heard, Heard]) -> None:
    mine, other = servers
    add("plant", mine.url, "secret-token")
    run("devices", "list")
    run("devices", "list", "--server", other.url)
    assert [token for _, token in mine] == ["Bearer secret-token"]
    assert [token for _, token in other] == [None]


def test_flags_win_over_the_environment_and_that_over_profiles(
    servers: tuple[Heard, Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = servers
    add("plant", mine.url, "of-the-profile")
    monkeypatch.setenv("LWM2M_ML_SERVER", other.url)
    monkeypatch.setenv("LWM2M_ML_TOKEN", "of-the-environment")
    run("devices", "list")
    run("devices", "list", "--server", mine.url, "--token", "of-the-flag")
    assert [token for _, token in other] == ["Bearer of-the-environment"]
    assert [token for _, token in mine] == ["Bearer of-the-flag"]


def test_a_profile_is_chosen_by_flag_by_variable_or_for_good(
    servers: tuple[Heard, Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = servers
    add("first", first.url, "one")
    add("second", second.url, "two")
    run("devices", "list")
    run("--profile", "second", "devices", "list")
    run("devices", "list")
    monkeypatch.setenv("LWM2M_ML_PROFILE", "second")
    run("devices", "list")
    monkeypatch.delenv("LWM2M_ML_PROFILE")
    run("profiles", "use", "second")
    run("devices", "list")
    assert (len(first), len(second)) == (2, 3)
    run("--profile", "nothing", "devices", "list", code=2)


def test_removing_the_profile_in_use_leaves_none_in_use() -> None:
    profiles = Profiles().with_profile("a", Profile("http://a")).with_profile("b", Profile("http://b"))
    assert profiles.without("a").chosen is None
    assert profiles.without("b").chosen == Profile("http://a")
    with pytest.raises(UsageError, match="no profile 'c'"):
        profiles.without("c")


def test_a_dry_run_keeps_nothing(config: Path) -> None:
    run("profiles", "add", "plant", "--server", "http://x", "--token-file", "-", "--dry-run", token="t")
    assert not config.exists()


def test_an_address_that_is_none_is_refused_before_it_is_kept(config: Path) -> None:
    run("profiles", "add", "plant", "--server", "nonsense", "--token-file", "-", token="t", code=3)
    assert not config.exists()


def test_a_dry_run_sends_no_change_and_hides_keys(servers: tuple[Heard, Heard], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("00112233445566778899aabbccddeeff")
    printed: dict[str, Any] = json.loads(
        run("credentials", "add", "dev", "--key-file", str(tmp_path / "key"), "--dry-run", "--server", servers[0].url)
    )
    assert (printed["method"], printed["path"]) == ("POST", "/api/v1/credentials")
    assert printed["body"] == {"endpoint": "dev", "kind": "psk", "key": "…"}
    assert servers[0] == []
