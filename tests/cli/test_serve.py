"""`lwm2m-ml serve`: what it announces."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest


def announced(directory: Path, *flags: str) -> dict[str, str | None]:
    """Start a server, take its first line and stop it."""
    command = [sys.executable, "-m", "lwm2m_ml", "serve", "--json", "--data-directory", str(directory), *flags]
    command += ["--coap-port", "0", "--api-port", "0"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LWM2M_ML_")}
    with subprocess.Popen(command, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line: dict[str, str | None] = json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
        assert process.returncode == 0
    return line


def test_plain_coap_is_off_by_default(tmp_path: Path) -> None:
    line = announced(tmp_path)
    assert line["coap"] is None
    assert line["token"]
    assert urlsplit(line["coaps"]).port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_insecure_adds_plain_coap(tmp_path: Path, host: str) -> None:
    line = announced(tmp_path, "--insecure", "--coap-host", host, "--coap-tcp-port", "0")
    assert {urlsplit(line[scheme]).hostname for scheme in ("coap", "coaps", "coap+tcp")} == {host}
