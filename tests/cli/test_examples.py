"""Every command has an example in docs/cli.md, and every example works, with the files and devices it speaks of.

So do the Python lines of docs/api.md.
"""

import asyncio
import contextlib
import csv
import io
import itertools
import json
import os
import re
import shlex
import shutil
import sqlite3
import string
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy
import pytest
import pytest_asyncio
import typer
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from lwm2m_ml.cli.main import add_installed_commands, app
from lwm2m_ml.client.client import Client
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.own_definitions import FOLDER, add_file, whole_catalogue
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.inputs.digits import load_digits_split
from lwm2m_ml_simulator.objects.base import Arguments, ObjectInstance, executable

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "cli.md"
API_DOCUMENT = ROOT / "docs" / "api.md"
DEFINITION = ROOT / "tests" / "api" / "notes.xml"
SHIPPED = ROOT / "lwm2m_ml" / "service" / "zoo" / "shipped" / "digits"
BOARD = ROOT / "lwm2m_ml" / "compiler" / "targets" / "mcus" / "nrf52840.toml"
PATIENCE = 120.0
ELSEWHERE = {"serve": "the server of this test is started with it", "demo": "`make demo` runs it, in CI"}
CHANGES_ONLY_FILES = {
    *("compile", "shrink", "module sign", "captures export", "backups create"),
    *("federated prepare", "federated weights"),
}
"""They write the file that they are told to write, and nothing else."""
UNTRIED = {"serve"}
"""It runs until it is stopped; there is nothing to try."""
READING = {
    *("list", "show", "read", "read-composite", "discover", "observe", "follow", "status", "wait", "story", "devices"),
    "rounds",
    *("validate", "check", "inspect", "verify", "diff", "server-certificate", "summary", "history", "messages"),
    *("trust-anchor", "download"),
}
READING_VERBS = {"explain", "fit", "run", "inspect", "quantize", "doctor", "results"}

OF_OTHERS = {entry_point.name for entry_point in entry_points(group="lwm2m_ml.commands")}
"""Commands that other packages add, such as the simulator, answer to those packages' tests."""

add_installed_commands()


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with its full name."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, below in command.commands.items():
        if path or name not in OF_OTHERS:
            yield from commands(below, (*path, name))


def examples() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line]


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def test_every_command_has_an_example() -> None:
    lines = [line.removeprefix("lwm2m-ml ") for line in examples()]
    missing = [name for name, _ in commands() if not any(f"{line} ".startswith(f"{name} ") for line in lines)]
    assert missing == []


def test_every_command_prints_json() -> None:
    assert [name for name, command in commands() if "--json" not in options_of(command)] == []


def test_every_change_can_be_tried_dry() -> None:
    changing = {
        name: command
        for name, command in commands()
        if name.split()[-1] not in READING and name not in READING_VERBS | CHANGES_ONLY_FILES | UNTRIED
    }
    assert [name for name, command in changing.items() if "--dry-run" not in options_of(command)] == []
    assert len(changing) > 20


def test_every_command_says_what_it_does() -> None:
    assert [name for name, command in commands() if not command.help] == []


class Notes(ObjectInstance):
    """An object of the operator's own."""

    object_id = 32771
    version = "1.0"

    def __init__(self, instance_id: int = 0) -> None:
        super().__init__(instance_id)
        self.values: dict[int, Any] = {0: "text", 1: 300, 4: {0: "zero"}}

    def resources(self) -> tuple[int, ...]:
        return (*sorted(self.values), 20)

    def supports(self, operation: str, resource_id: int) -> bool:
        return resource_id == 20 if operation == "execute" else resource_id in self.values

    def read(self, resource_id: int) -> Any:
        return self.values.get(resource_id)

    async def write(self, resource_id: int, value: Any) -> None:
        self.values[resource_id] = value

    @executable(20)
    def act(self, arguments: Arguments) -> None:
        """Do nothing."""


@pytest_asyncio.fixture
async def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    """A server as the document starts it, and the devices it speaks of."""
    data = tmp_path / "data"
    add_file(data / FOLDER, DEFINITION)
    (line,) = [line for line in examples() if line.startswith("lwm2m-ml serve ")]
    for name in [name for name in os.environ if name.startswith("LWM2M_ML_") and name != "LWM2M_ML_CACHE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LWM2M_ML_DATA_DIRECTORY", str(data))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lwm2m_ml", *shlex.split(line)[1:], stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    where = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE))
    monkeypatch.setenv("LWM2M_ML_SERVER", where["api"])
    monkeypatch.setenv("LWM2M_ML_TOKEN", where["token"])
    thermometer = Lwm2mClient(
        "thermometer", where["coap"], [Notes()], lifetime=300, catalogue=whole_catalogue(DEFINITION.parent, {})
    )
    thermometer.tree.allow_create(32771, Notes)
    anchor = await asyncio.to_thread(_trust_anchor, where)
    images = itertools.cycle(load_digits_split().test.images)
    async with (
        thermometer,
        SimulatedDevice(_mcu(), where["coap"], images, [anchor]),
        SimulatedDevice(_wired(), where["coap"], images, [anchor]),
    ):
        await asyncio.to_thread(_until_known, where)
        yield where
    process.terminate()
    await asyncio.wait_for(process.communicate(), PATIENCE)


def _mcu() -> DeviceProfile:
    return DeviceProfile(
        endpoint="mcu",
        target=load_target("cortex-m4f"),
        ram_bytes=65_536,
        working_memory_bytes=32_768,
        slot_bytes=65_536,
        clock_hz=64e6,
        inference_period_ms=100,
        trial_period=600,
    )


def _wired() -> DeviceProfile:
    """A device of object 513."""
    return replace(_mcu(), endpoint="wired", delivery=DeliveryObject.MODEL_CONFIGURATION)


def _trust_anchor(where: dict[str, str]) -> VerificationKey:
    with Client(where["api"], where["token"]) as client:
        return VerificationKey.from_pem(client.trust_anchor().pem.encode())


def _until_known(where: dict[str, str]) -> None:
    with Client(where["api"], where["token"]) as client:
        _until(lambda: len(client.devices()) == 3 and all(client.device(name).profile for name in ("mcu", "wired")))


def _until(look: Callable[[], Any]) -> Any:
    for _ in range(int(PATIENCE / 0.1)):
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installation: dict[str, str]) -> None:
    """What the examples find in their directory."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    for source, name in ((DEFINITION, "notes.xml"), (BOARD, "board.toml")):
        shutil.copy(source, place / name)
    for name in ("digits-small.onnx", "calibration.npz"):
        shutil.copy(SHIPPED / name, place)
    with numpy.load("calibration.npz") as arrays:
        numpy.save("digit.npy", arrays[arrays.files[0]][:1])
    public = X25519PrivateKey.generate().public_key()
    Path("device-key.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    Path("base.bin").write_bytes(bytes(8192))
    shown = load_digits_split().test
    numpy.savez("labelled.npz", images=shown.images[:60], labels=shown.labels[:60])
    Path("token.txt").write_text(installation["token"])
    Path("bootstrap.json").write_text(json.dumps({"records": [{"n": "/0/1/0", "vs": "coaps://x"}], "issue": True}))
    with Path("credentials.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows([["endpoint", "kind"], ["sensor-2", "psk"], ["sensor-3", "oscore"]])


class Values(dict[str, str]):
    """What stands for `$NAME` in an example: looked up when it is needed, as a user would."""

    def __init__(self, client: Client, server: str, data: Path) -> None:
        super().__init__(SERVER=server, VENDOR=str(uuid.uuid4()), CLASS=str(uuid.uuid4()))
        self._client = client
        self._data = data

    def __missing__(self, name: str) -> str:
        look: dict[str, Callable[[], Any]] = {
            "REQUEST": lambda: self._client.requests("thermometer")[-1].number,
            "JOB": lambda: self._client.jobs()[0].id,
            "DEPLOYMENT": lambda: self._client.deployments()[-1].id,
            "CAMPAIGN": lambda: self._client.campaigns()[-1].id,
            "RUN": lambda: self._client.federated_runs()[-1].id,
            "MODULE": lambda: _until(self._client.modules)[-1].digest,
            "CREDENTIAL": lambda: self._client.credentials("sensor-1")[-1].id,
            "TOKEN": lambda: max(self._client.tokens(), key=lambda one: one.created_at).id,
            "ALARM": self._alarm,
            "RESULT": lambda: self._client.results("mcu")[-1].number,
            "KEY": lambda: json.loads(run("keys list --data-directory signing --json"))[0]["key_id"],
        }
        return str(look[name]())

    def _alarm(self) -> str:
        """Nothing drifts here: the alarm comes into the database by another way."""
        row = ("a1", "drift", "mcu", "digits", "1.0.0", "", "made by a test", "{}", 1.0)
        with sqlite3.connect(self._data / "lwm2m-ml.sqlite3") as connection:
            columns = "id, kind, endpoint, model, version, feature, message, figures, raised_at"
            connection.execute(f"INSERT INTO alarms ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
        connection.close()
        return "a1"


def run(line: str) -> str:
    """What a command prints; its exit code must be 0."""
    result = CliRunner().invoke(app, shlex.split(line))
    code = result.exception.exit_code if isinstance(result.exception, Lwm2mMlError) else result.exit_code
    assert code == 0, f"lwm2m-ml {line}: exit code {code}, {result.exception!r}\n{result.output}"
    return result.stdout


@pytest.mark.timeout(900)
async def test_every_example_works(installation: dict[str, str], files: None, tmp_path: Path) -> None:
    with Client(installation["api"], installation["token"]) as client:
        await asyncio.to_thread(_run_all, Values(client, installation["api"], tmp_path / "data"))


async def test_the_python_lines_of_the_api_document_work(installation: dict[str, str]) -> None:
    (lines,) = re.findall(r"^```python\n(.*?)^```", API_DOCUMENT.read_text("utf-8"), re.M | re.S)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        await asyncio.to_thread(exec, compile(lines, "docs/api.md", "exec"), {"__name__": "example"})
    told = printed.getvalue()
    assert "/32771/0/1 integer 300" in told
    assert "mcu" in told
    assert "instructions" in told
    assert told.splitlines()[-1] == "[60]"


def _run_all(values: Values) -> None:
    printed = {}
    for line in examples():
        written = line.removeprefix("lwm2m-ml ")
        if written.split()[0] not in ELSEWHERE:
            printed[written] = run(string.Template(written).substitute(values))
    assert "thermometer" in printed["devices list"]
    assert json.loads(printed["devices write thermometer /32771/0/1 60 --dry-run"])["dry_run"]
    assert "PUT" in printed["audit list --endpoint thermometer"]
