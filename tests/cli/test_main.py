"""The command line starts fast, says what is wrong in one sentence, and ends with the documented exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("aiocoap", "fastapi", "httpx", "numpy", "onnx", "pydantic", "sklearn", "sqlalchemy", "tensorflow", "unicorn")


def lwm2m_ml(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lwm2m_ml", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LWM2M_ML_")}
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=60, check=False)


def test_help_lists_the_commands_of_installed_packages_too() -> None:
    done = lwm2m_ml("--help")
    assert done.returncode == 0
    for command in ("serve", "devices", "deploy", "demo"):
        assert command in done.stdout


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from lwm2m_ml.cli.main import main; sys.argv = ['lwm2m-ml', '--help']\n"
        "try: main()\n"
        f"except SystemExit: print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize("arguments", [("no-such-command",), ("devices", "read"), ("serve", "--coap-port", "many")])
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert lwm2m_ml(*arguments).returncode == 2


def test_no_server_is_one_sentence_and_3() -> None:
    done = lwm2m_ml("devices", "list", LWM2M_ML_SERVER="http://127.0.0.1:1")
    assert done.returncode == 3
    assert done.stderr.startswith("Error: No server answered at http://127.0.0.1:1")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_debug_shows_the_traceback() -> None:
    done = lwm2m_ml("--debug", "devices", "list", LWM2M_ML_SERVER="http://127.0.0.1:1")
    assert "Traceback" in done.stderr


def test_a_setting_out_of_range_is_wrong_usage() -> None:
    done = lwm2m_ml("serve", "--coap-port", "70000")
    assert done.returncode == 2
    assert "coap_port" in done.stderr


def test_plain_coap_over_tcp_needs_consent(tmp_path: Path) -> None:
    ports = ("--coap-port", "0", "--api-port", "0", "--coap-tcp-port", "0")
    done = lwm2m_ml("serve", *ports, "--data-directory", str(tmp_path))
    assert done.returncode == 2
    assert "--insecure" in done.stderr
