"""`lwm2m-ml firmware` and `encryption-keys`: against a running server, and what is refused before it is asked."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from typer.testing import CliRunner

from lwm2m_ml.app import running
from lwm2m_ml.cli.main import app
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import Lwm2mMlError, UsageError

VENDOR, CLASS = "57c14b27-b95d-55e5-9d5c-4a9f1d2b9a3e", "57c14b27-b95d-55e5-9d5c-4a9f1d2b9a3f"
KIND = ("--vendor", VENDOR, "--class", CLASS)
PLACE = ("--rtos", "zephyr 4.1", "--slot-address", "0x100")
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run a command against a server that lives in a thread's own event loop."""
    loop = asyncio.new_event_loop()

    async def invoke(arguments: tuple[str, ...]) -> str:
        settings = Settings(data_directory=tmp_path / "data", coap_port=0, coaps=False, api_port=0, insecure=True)
        async with running(settings) as (where, http, listener):
            token.append(where.first_token or "")
            serving = asyncio.create_task(http.serve(sockets=[listener]))
            try:
                return await asyncio.to_thread(_run, *arguments, "--server", where.api, "--token", token[0])
            finally:
                http.should_exit = True
                await serving

    token: list[str] = []
    yield lambda *arguments: loop.run_until_complete(invoke(arguments))
    loop.close()


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    # The server, in the same process, writes its log there, too.
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("20"))


def test_base_firmware_is_added_listed_and_removed(run: Run, tmp_path: Path) -> None:
    image = tmp_path / "app.bin"
    image.write_bytes(b"firmware")
    assert "begin at 0x100" in run("firmware", "add", str(image), *KIND, *PLACE)
    (listed,) = json.loads(run("firmware", "list", "--json"))
    assert (listed["name"], listed["rtos"], listed["slot_address"]) == ("app", "zephyr 4.1", 256)
    run("firmware", "remove", *KIND)
    assert json.loads(run("firmware", "list", "--json")) == []


def test_what_the_server_refuses_is_said(run: Run, tmp_path: Path) -> None:
    image = tmp_path / "app.bin"
    image.write_bytes(bytes(300))
    with pytest.raises(Lwm2mMlError, match="the base image ends at 0x12c"):
        run("firmware", "add", str(image), *KIND, *PLACE)


@pytest.mark.parametrize("form", ["pem", "der", "hex"])
def test_a_device_gets_its_modules_encrypted_from_then_on(run: Run, tmp_path: Path, form: str) -> None:
    key = x25519.X25519PrivateKey.generate().public_key()
    subject = serialization.PublicFormat.SubjectPublicKeyInfo
    contents = {
        "pem": key.public_bytes(serialization.Encoding.PEM, subject),
        "der": key.public_bytes(serialization.Encoding.DER, subject),
        "hex": key.public_bytes_raw().hex().encode() + b"\n",
    }
    file = tmp_path / "key"
    file.write_bytes(contents[form])
    assert "are encrypted for key" in run("encryption-keys", "add", "sensor-1", str(file))
    (listed,) = json.loads(run("encryption-keys", "list", "--json"))
    assert (listed["endpoint"], listed["public_key"]) == ("sensor-1", key.public_bytes_raw().hex())
    run("encryption-keys", "remove", "sensor-1")


def test_a_key_that_is_shared_is_shown_once_if_it_was_made_up(run: Run, tmp_path: Path) -> None:
    made = json.loads(run("encryption-keys", "share", "sensor-1", "--json"))
    assert (made["algorithm"], len(bytes.fromhex(made["key"]))) == ("A128KW", 16)
    (listed,) = json.loads(run("encryption-keys", "list", "--json"))
    assert listed == {name: made[name] for name in ("endpoint", "algorithm", "key_id", "public_key")}
    file = tmp_path / "key"
    file.write_text("000102030405060708090A0B0C0D0E0F\n")
    assert "this once" not in run("encryption-keys", "share", "sensor-1", "--key-file", str(file))
    assert made["key_id"] not in run("encryption-keys", "list")
    assert "this once: " in run("encryption-keys", "share", "sensor-1")


def test_what_is_no_key_no_uuid_and_no_address_is_said(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    file = tmp_path / "key"
    file.write_bytes(other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    for arguments in (
        ("encryption-keys", "add", "sensor-1", str(file)),
        ("encryption-keys", "add", "sensor-1", str(tmp_path / "nowhere")),
        ("encryption-keys", "share", "sensor-1", "--key-file", str(file)),
        ("encryption-keys", "share", "sensor-1", "--key-file", str(tmp_path / "nowhere")),
        ("firmware", "add", str(file), "--vendor", "me", "--class", CLASS, *PLACE),
        ("firmware", "add", str(file), *KIND, "--rtos", "x", "--slot-address", "here"),
    ):
        with pytest.raises(UsageError):
            _run(*arguments)
