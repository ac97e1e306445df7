"""`lwm2m-ml doctor` finds what is wrong and says what to do; every check is done, whatever the others find."""

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lwm2m_ml.cli.checks import compiling, machine, serving
from lwm2m_ml.cli.checks.finding import Finding, guarded
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import MissingToolError


def states(findings: Iterator[Finding]) -> dict[str, str]:
    return {finding.check: finding.state for finding in findings}


def test_this_machine_compiles_and_runs_what_it_compiled() -> None:
    found = list(compiling.compiling())
    assert [finding.state for finding in found[:2]] == ["ok", "ok"]
    assert "= 42" in found[1].found


def test_a_check_that_cannot_be_done_is_a_failure_with_advice() -> None:
    def missing() -> Iterator[Finding]:
        raise MissingToolError("clang is not there", hint="Install ziglang")
        yield  # a check is a generator

    def broken() -> Iterator[Finding]:
        raise ZeroDivisionError
        yield

    assert guarded("toolchain", missing) == [Finding("toolchain", "failure", "clang is not there.", "Install ziglang")]
    assert guarded("other", broken)[0].state == "failure"


def test_a_port_that_another_program_has_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(api_port=taken.getsockname()[1], coap_port=0)
        found = states(serving.ports(settings))
    assert found["port api"] == "warning"
    assert found["port coaps"] == "ok"


def test_a_damaged_database_is_a_failure_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "lwm2m-ml.sqlite3"
    file.write_bytes(b"SQLite format 3\x00" + bytes(range(256)) * 16)
    before = file.read_bytes()
    (first, *_) = serving.database(Settings(data_directory=tmp_path))
    assert (first.state, "Restore" in first.advice) == ("failure", True)
    assert file.read_bytes() == before


def test_a_sound_database_tells_its_revision(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "lwm2m-ml.sqlite3") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0007')")
    connection.close()
    (first, *_) = serving.database(Settings(data_directory=tmp_path))
    assert (first.state, "0007" in first.found) == ("ok", True)


@pytest.mark.parametrize(("mode", "state"), [(0o600, "warning"), (0o644, "failure")])
def test_secrets_that_others_may_read_are_a_failure(tmp_path: Path, mode: int, state: str) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "secrets.key").write_bytes(bytes(32))
    (tmp_path / "secrets.key").chmod(mode)
    (found,) = serving.secrets(Settings(data_directory=tmp_path))
    assert found.state == state
    assert "chmod" in found.advice


def test_secrets_for_their_owner_only_are_fine(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert states(serving.secrets(Settings(data_directory=tmp_path))) == {"secrets": "ok"}


def test_a_clock_of_long_ago_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(machine.clock())["clock"] in {"ok", "warning"}
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
    assert states(machine.clock()) == {"clock": "failure"}


@pytest.mark.parametrize(("megabytes", "state"), [(2_000, "ok"), (500, "warning"), (10, "failure")])
def test_a_disk_without_room_is_told_the_worse_the_less_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, megabytes: int, state: str
) -> None:
    room = SimpleNamespace(f_bavail=megabytes << 8, f_frsize=4_096)
    monkeypatch.setattr("lwm2m_ml.cli.checks.serving.os.statvfs", lambda _path: room)
    assert states(serving.database(Settings(data_directory=tmp_path)))["disk"] == state
