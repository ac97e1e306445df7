"""docs/quick-start.md, word for word: from a server that starts to a model of one's own whose answers are read."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lwm2m_ml.client.client import Client
from tests.docs.documents import DOCS, ROOT, block, commands

DOCUMENT = DOCS / "quick-start.md"
PROGRAMS = Path(sys.executable).parent
PATIENCE = 120.0
WAITING = ("lwm2m-ml serve", "lwm2m-sim run")
"""How commands begin that run until they are stopped."""


@contextmanager
def running(line: str, place: Path, environment: dict[str, str]) -> Iterator[Path]:
    """A command that runs meanwhile, and the file with what it prints."""
    printed = place / f"{line.split(maxsplit=1)[0]}.printed"
    with printed.open("wb") as out:
        process = subprocess.Popen(_words(line), cwd=place, env=environment, stdout=out, stderr=subprocess.DEVNULL)
        try:
            yield printed
        finally:
            process.terminate()
            process.wait(PATIENCE)


def done(line: str, place: Path, environment: dict[str, str]) -> str:
    """What a command prints; its exit code must be 0."""
    process = subprocess.run(
        _words(line), cwd=place, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert process.returncode == 0, f"{line}\n{process.stdout}\n{process.stderr}"
    return process.stdout


def _words(line: str) -> list[str]:
    program, *words = shlex.split(line)
    return [str(PROGRAMS / program), *words]


def _until_printed(file: Path) -> dict[str, str]:
    for _ in range(int(PATIENCE / 0.1)):
        if file.read_text().endswith("\n"):
            found: dict[str, str] = json.loads(file.read_text())
            return found
        time.sleep(0.1)
    raise TimeoutError(file.read_text())


@pytest.mark.timeout(400)
def test_the_quick_start_leads_to_answers(tmp_path: Path) -> None:
    lines = [command.text for command in commands(DOCUMENT)]
    serve, simulate = (next(line for line in lines if line.startswith(start)) for start in WAITING)
    (tmp_path / "lwm2m_ml").symlink_to(ROOT / "lwm2m_ml")
    (tmp_path / "desk.toml").write_text(block(DOCUMENT, "toml"))
    kept = {name: value for name, value in os.environ.items() if not re.match("LWM2M_ML_(?!CACHE)", name)}
    environment = kept | {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    ports = " --json --coap-port 0 --coaps-port 0 --api-port 0"  # those of the document may be taken here
    with running(serve + ports, tmp_path, environment) as printed:
        where = _until_printed(printed)
        environment |= {"LWM2M_ML_SERVER": where["api"], "LWM2M_ML_TOKEN": where["token"]}
        with running(f"{simulate} --server {where['coap']} --json", tmp_path, environment):
            _until_the_device_is_there(where)
            answers = [
                done(line, tmp_path, environment) for line in lines if line.startswith("lwm2m-ml ") and line != serve
            ]
    listed, added, fitted, deployed, results, read = answers
    assert "desk-1" in listed
    assert "mine" in added
    assert "digits-small" in fitted or "mine" in fitted
    assert "active" in deployed
    assert results.strip()
    assert "/42771/0/1" in read


def _until_the_device_is_there(where: dict[str, str]) -> None:
    with Client(where["api"], where["token"]) as client:
        for _ in range(int(PATIENCE / 0.2)):
            if any(client.device(one.endpoint).profile for one in client.devices()):
                return
            time.sleep(0.2)
    raise TimeoutError


def test_what_is_left_is_make_and_the_shell() -> None:
    """The lines that the test above does not run: `make setup` made what runs here, and `export` sets names."""
    others = {c.text for c in commands(DOCUMENT) if not c.text.startswith(("lwm2m-ml ", "lwm2m-sim "))}
    assert others == {"make setup", 'export PATH="$PWD/.venv/bin:$PATH"', "export LWM2M_ML_TOKEN=…"}
