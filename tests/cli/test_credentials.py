"""`lwm2m-ml credentials` and `bootstrap` against a running service."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

Command = subprocess.CompletedProcess[str]


def run(*arguments: str, **environment: str) -> Command:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LWM2M_ML_")}
    command = [sys.executable, "-m", "lwm2m_ml", *arguments]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    directory = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "lwm2m_ml", "serve", "--json", "--data-directory", str(directory)]
    command += ["--coap-port", "0", "--api-port", "0"]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        announced = json.loads(process.stdout.readline())
        yield {"LWM2M_ML_SERVER": announced["api"], "LWM2M_ML_TOKEN": announced["token"], "log": str(directory / "log")}
        process.terminate()
        process.communicate(timeout=30)


def test_from_add_to_revoke(server: dict[str, str]) -> None:
    added = run("credentials", "add", "dev", "--json", **server)
    (issued,) = json.loads(added.stdout)
    rotated = run("credentials", "rotate", issued["id"], "--grace", "60", **server)
    assert "shown this once" in rotated.stdout
    listed = run("credentials", "list", "dev", **server).stdout
    assert "good until" in listed
    assert issued["secret"]["key"] not in listed + Path(server["log"]).read_text()
    assert run("credentials", "revoke", issued["id"], **server).returncode == 0
    assert "revoked" in run("credentials", "list", **server).stdout


def test_import_takes_csv_and_json(server: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"endpoint,kind,identity,key\na,psk,id-a,{'00' * 16}\nb,,,\n")
    (tmp_path / "b.json").write_text(json.dumps([{"endpoint": "c", "kind": "x509"}]))
    first = json.loads(run("credentials", "import", str(tmp_path / "a.csv"), "--json", **server).stdout)
    assert [(one["endpoint"], one["kind"]) for one in first] == [("a", "psk"), ("b", "psk")]
    second = run("credentials", "import", str(tmp_path / "b.json"), **server)
    assert "BEGIN PRIVATE KEY" in second.stdout


@pytest.mark.parametrize("content", ["", "[1]", "endpoint\n", "endpoint,key\n,secret00\n", "[{"])
def test_a_file_that_is_no_import_is_wrong_usage(server: dict[str, str], tmp_path: Path, content: str) -> None:
    (tmp_path / "bad").write_text(content)
    done = run("credentials", "import", str(tmp_path / "bad"), **server)
    assert done.returncode == 2
    assert "secret00" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_server_shows_its_certificate(server: dict[str, str]) -> None:
    assert run("credentials", "server-certificate", **server).stdout.startswith("-----BEGIN CERTIFICATE-----")


def test_bootstrap_is_set_listed_and_removed(server: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps({"records": [{"n": "/0/1/0", "vs": "coaps://x"}], "issue": True}))
    assert run("bootstrap", "set", "sensor-*", str(tmp_path / "b.json"), **server).returncode == 0
    assert "sensor-*" in run("bootstrap", "list", **server).stdout
    assert run("bootstrap", "remove", "sensor-*", **server).returncode == 0
    assert run("bootstrap", "remove", "sensor-*", **server).returncode == 5
    (tmp_path / "bad.json").write_text('{"records": "none"}')
    assert run("bootstrap", "set", "x", str(tmp_path / "bad.json"), **server).returncode == 2
