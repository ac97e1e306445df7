"""The commands for LwM2M operations: a served installation, a device on real sockets, and what is printed."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from lwm2m_ml.lwm2m.own_definitions import FOLDER, add_file, whole_catalogue
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.objects.base import Arguments, ObjectInstance, ResourceValue, executable

DEFINITION = Path(__file__).parents[1] / "api" / "notes.xml"
NAME = "thermometer"


class Notes(ObjectInstance):
    """The object of the definition that the installation was given."""

    object_id = 32771
    version = "1.0"

    def __init__(self, instance_id: int = 0) -> None:
        super().__init__(instance_id)
        self.values: dict[int, Any] = {0: "text", 1: 300, 4: {0: "zero"}}
        self.executed: list[Arguments] = []

    def resources(self) -> tuple[int, ...]:
        return (*sorted(self.values), 20)

    def supports(self, operation: str, resource_id: int) -> bool:
        return resource_id == 20 if operation == "execute" else resource_id in self.values

    def read(self, resource_id: int) -> ResourceValue | None:
        return self.values.get(resource_id)

    async def write(self, resource_id: int, value: ResourceValue) -> None:
        self.values[resource_id] = value

    @executable(20)
    def act(self, arguments: Arguments) -> None:
        self.executed.append(dict(arguments))


Command = Callable[..., Awaitable[str]]


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest_asyncio.fixture
async def installation(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """What `serve --json` announces; it is ended by its process id."""
    add_file(tmp_path / FOLDER, DEFINITION)
    process = await program(
        "serve", "--insecure", "--json", "--coap-port", "0", "--api-port", "0", "--data-directory", str(tmp_path)
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        yield json.loads(await process.stdout.readline())
        process.terminate()
        await process.communicate()


@pytest_asyncio.fixture
async def device(installation: dict[str, str], notes: Notes) -> AsyncIterator[Lwm2mClient]:
    catalogue = whole_catalogue(DEFINITION.parent, {})
    device = Lwm2mClient(NAME, installation["coap"], [notes], lifetime=300, catalogue=catalogue)
    device.tree.allow_create(32771, Notes)
    async with device, asyncio.timeout(60):
        await device.registered.wait()
        yield device


async def program(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LWM2M_ML_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "lwm2m_ml",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**clean, "COLUMNS": "160", **environment},
    )


@pytest.fixture
def devices(installation: dict[str, str], device: Lwm2mClient) -> Command:
    """Runs `lwm2m-ml devices …` and returns what it prints."""

    async def run(*arguments: str, code: int = 0) -> str:
        process = await program(
            "devices", *arguments, LWM2M_ML_SERVER=installation["api"], LWM2M_ML_TOKEN=installation["token"]
        )
        out, errors = await process.communicate()
        assert process.returncode == code, errors.decode()
        return (errors if code else out).decode()

    return run


async def test_read_write_and_execute(devices: Command, notes: Notes) -> None:
    assert [line.split() for line in (await devices("read", NAME, "/32771/0")).splitlines()] == [
        ["PATH", "TYPE", "VALUE"],
        ["/32771/0/0", "string", "text"],
        ["/32771/0/1", "integer", "300"],
        ["/32771/0/4/0", "string", "zero"],
    ]
    await devices("write", NAME, "/32771/0/1", "5")
    await devices("write", NAME, "/32771/0/0", "a=b")
    await devices("write", NAME, "/32771/0/4", "2=two")
    assert notes.values == {0: "a=b", 1: 5, 4: {2: "two"}}
    await devices("write", NAME, "/32771/0", "0=both", "1=6", "--update")
    assert (notes.values[0], notes.values[1]) == ("both", 6)
    assert json.loads(await devices("read", NAME, "/32771/0/1", "--json")) == [
        {"path": "/32771/0/1", "type": "integer", "value": 6, "timestamp": None}
    ]
    await devices("exec", NAME, "/32771/0/20", "0='a'")
    assert notes.executed == [{0: "a"}]
    assert "/32771/0/1" in await devices("write", NAME, "/32771/0/1", "many", code=1)


async def test_discover_and_attributes(devices: Command) -> None:
    await devices("attributes", NAME, "/32771/0/1", "pmin=10", "gt=5.5")
    (line,) = [line for line in (await devices("discover", NAME, "/32771/0")).splitlines() if "/32771/0/1 " in line]
    assert line.split() == ["/32771/0/1", "pmin=10", "gt=5.5"]
    await devices("attributes", NAME, "/32771/0/1", "pmin", "gt")
    assert json.loads(await devices("discover", NAME, "/32771/0/1", "--json"))[0]["attributes"] == {}
    assert "not a number" in await devices("attributes", NAME, "/32771/0/1", "pmin=soon", code=2)


async def test_create_and_delete(devices: Command) -> None:
    assert (await devices("create", NAME, "/32771", "1=7", "--instance", "4")).strip() == "/32771/4"
    assert json.loads(await devices("create", NAME, "/32771", "--json")) == {"path": "/32771/1"}
    await devices("delete", NAME, "/32771/4")
    assert "4.04" in await devices("read", NAME, "/32771/4", code=1)


async def test_composites(devices: Command, notes: Notes) -> None:
    await devices("write-composite", NAME, "/32771/0/0=one", "/32771/0/1=2")
    assert (notes.values[0], notes.values[1]) == ("one", 2)
    read = json.loads(await devices("read-composite", NAME, "/32771/0/1", "/3/0/0", "--json"))
    assert [(value["path"], value["value"]) for value in read] == [("/32771/0/1", 2), ("/3/0/0", "lwm2m-ml")]
    assert "NAME=VALUE" in await devices("write-composite", NAME, "/32771/0/0", code=2)


async def test_observe_prints_a_line_for_each_notification(
    installation: dict[str, str], device: Lwm2mClient, notes: Notes
) -> None:
    watching = await program(
        *("devices", "observe", NAME, "/32771/0/1", "--count", "2", "--json"),
        LWM2M_ML_SERVER=installation["api"],
        LWM2M_ML_TOKEN=installation["token"],
    )
    assert watching.stdout is not None
    assert json.loads(await watching.stdout.readline())[0]["value"] == 300
    notes.values[1] = 301
    device.notify("/32771/0/1")
    assert json.loads(await watching.stdout.readline())[0]["value"] == 301
    await watching.communicate()
    assert watching.returncode == 0


async def test_later_prints_a_number_to_ask_with(devices: Command, installation: dict[str, str], notes: Notes) -> None:
    number = (await devices("write", NAME, "/32771/0/1", "9", "--later")).strip()
    read = (await devices("read", NAME, "/32771/0/1", "--later")).strip()
    shown: dict[str, Any] = {"state": "waiting"}
    async with asyncio.timeout(30):
        while shown["state"] in {"waiting", "sent"}:
            process = await program(
                *("requests", "show", read, "--json"),
                LWM2M_ML_SERVER=installation["api"],
                LWM2M_ML_TOKEN=installation["token"],
            )
            out, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()
            shown = json.loads(out)
    assert (int(read), shown["state"], shown["values"][0]["value"]) == (int(number) + 1, "done", 9)
    assert notes.values[1] == 9


async def test_an_unknown_device_is_one_sentence(devices: Command) -> None:
    assert "No device 'nobody' is registered" in await devices("read", "nobody", "/3", code=5)
