"""Our simulated device, managed by a server on Eclipse Leshan's server library."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.objects.base import Arguments, ObjectInstance, ResourceValue, executable

pytestmark = [pytest.mark.interop, pytest.mark.timeout(720)]  # the first one may have to download

NAME = "our-device"
FORMATS = (ContentFormat.TLV, ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR)
BYTES = b"\x00\x01\xfe\xff"
INITIAL: dict[int, Value | dict[int, Value]] = {
    0: "Grüße",
    1: -42,
    2: 3.25,
    3: True,
    4: BYTES,
    5: 1_700_000_000,
    6: ObjectLink(3, 0),
    7: 4_294_967_296,
    10: {0: "zero", 3: "three"},
    11: {1: 100},
}
VALUES = {
    "/32770/0/0": "Grüße",
    "/32770/0/1": -42,
    "/32770/0/2": 3.25,
    "/32770/0/3": True,
    "/32770/0/4": base64.b64encode(BYTES).decode(),
    "/32770/0/5": 1_700_000_000,
    "/32770/0/6": "3:0",
    "/32770/0/7": 4_294_967_296,
    "/32770/0/10/0": "zero",
    "/32770/0/10/3": "three",
    "/32770/0/11/1": 100,
}


class EveryType(ObjectInstance):
    """An instance of the object with a resource of every type."""

    object_id = 32770
    version = "1.0"

    def __init__(self, instance_id: int = 0, values: dict[int, Any] | None = None) -> None:
        super().__init__(instance_id)
        self.values: dict[int, Any] = dict(INITIAL if values is None else values)
        self.executed: list[Arguments] = []

    def resources(self) -> tuple[int, ...]:
        return (*sorted(self.values), 20)

    def supports(self, operation: str, resource_id: int) -> bool:
        if operation == "execute":
            return resource_id == 20
        return resource_id in INITIAL if operation == "write" else resource_id in self.values

    def read(self, resource_id: int) -> ResourceValue | None:
        return self.values.get(resource_id)

    async def write(self, resource_id: int, value: ResourceValue) -> None:
        self.values[resource_id] = value

    @executable(20)
    def act(self, arguments: Arguments) -> None:
        self.executed.append(dict(arguments))


@pytest_asyncio.fixture
async def manager(start_peer: Any, models: str) -> Any:
    """Leshan's server; `uri` is where devices register."""
    peer = await start_peer("Manager", models)
    peer.uri = (await peer.told("started"))["uri"]
    return peer


@pytest.fixture
def instance() -> EveryType:
    return EveryType()


@pytest_asyncio.fixture
async def device(manager: Any, instance: EveryType, catalogue: Catalogue) -> AsyncIterator[Lwm2mClient]:
    client = Lwm2mClient(NAME, manager.uri, [instance], lifetime=300, catalogue=catalogue)
    client.tree.allow_create(32770, lambda number: EveryType(number, {}))
    async with client:
        yield client


@pytest_asyncio.fixture
async def ask(manager: Any, device: Lwm2mClient) -> Any:
    """Have the server do an operation on the registered device."""
    await manager.told("registered")

    async def operation(do: str, path: str = "", **members: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await manager.ask(do, endpoint=NAME, path=path, **members)
        return answer

    return operation


def below(path: str) -> dict[str, Any]:
    here = ObjectPath.parse(path)
    return {text: value for text, value in VALUES.items() if here.contains(ObjectPath.parse(text))}


async def test_register_tells_objects_and_version(manager: Any, device: Lwm2mClient) -> None:
    told = await manager.told("registered")
    assert told["version"] in {"1.1", "V1_1"}
    assert told["lifetime"] == 300
    assert {"/1/0", "/3/0", "/32770/0"} <= set(told["instances"])


async def test_a_device_of_1_0_is_served(manager: Any, instance: EveryType, catalogue: Catalogue) -> None:
    async with Lwm2mClient(NAME, manager.uri, [instance], lifetime=300, version="1.0", catalogue=catalogue):
        assert (await manager.told("registered"))["version"] in {"1.0", "V1_0"}
        answer = await manager.ask("read", endpoint=NAME, path="/32770/0", format=ContentFormat.TLV)
        assert answer["values"] == VALUES
        written = await manager.ask("write", endpoint=NAME, path="/32770/0/1", format=ContentFormat.TLV, values=5)
        assert (written["code"], instance.values[1]) == (204, 5)


@pytest.mark.parametrize("content_format", FORMATS)
@pytest.mark.parametrize("path", ["/32770", "/32770/0", "/32770/0/10", "/32770/0/7"])
async def test_read_in_every_format(ask: Any, content_format: ContentFormat, path: str) -> None:
    answer = await ask("read", path, format=content_format)
    assert answer["code"] == 205
    assert answer["values"] == below(path)


@pytest.mark.parametrize("content_format", [ContentFormat.TEXT, ContentFormat.CBOR])
@pytest.mark.parametrize("resource", [0, 1, 2, 3, 5, 6, 7])
async def test_read_of_every_type_as_a_single_value(ask: Any, content_format: ContentFormat, resource: int) -> None:
    path = f"/32770/0/{resource}"
    assert (await ask("read", path, format=content_format))["values"] == below(path)


async def test_read_of_a_resource_instance_and_of_bytes(ask: Any) -> None:
    assert (await ask("read", "/32770/0/10/3"))["values"] == {"/32770/0/10/3": "three"}
    assert (await ask("read", "/32770/0/4", format=ContentFormat.OPAQUE))["values"] == below("/32770/0/4")


@pytest.mark.parametrize(("path", "code"), [("/32770/0/19", 404), ("/32770/9", 404), ("/0", 401), ("/32770/0/20", 405)])
async def test_read_of_what_is_not_there_or_closed(ask: Any, path: str, code: int) -> None:
    assert (await ask("read", path))["code"] == code


@pytest.mark.parametrize("content_format", FORMATS)
@pytest.mark.parametrize("update", [True, False])
async def test_write_of_an_instance(ask: Any, instance: EveryType, content_format: ContentFormat, update: bool) -> None:
    written = {"0": "new", "1": 5, "6": "1:0", "7": 2**63}
    answer = await ask("write", "/32770/0", format=content_format, update=update, values=written)
    assert answer["code"] == 204
    assert (instance.values[0], instance.values[1]) == ("new", 5)
    assert (instance.values[6], instance.values[7]) == (ObjectLink(1, 0), 2**63)


@pytest.mark.parametrize("content_format", [ContentFormat.TEXT, ContentFormat.TLV, ContentFormat.SENML_CBOR])
@pytest.mark.parametrize(
    ("resource", "value"), [(0, "¡Hola!"), (1, -(2**40)), (2, -0.5), (3, False), (5, 1_800_000_000)]
)
async def test_write_of_a_resource(
    ask: Any, instance: EveryType, content_format: ContentFormat, resource: int, value: Any
) -> None:
    assert (await ask("write", f"/32770/0/{resource}", format=content_format, values=value))["code"] == 204
    assert instance.values[resource] == value


async def test_write_of_bytes_in_blocks(ask: Any, instance: EveryType) -> None:
    content = bytes(range(256)) * 12
    values = base64.b64encode(content).decode()
    assert (await ask("write", "/32770/0/4", format=ContentFormat.OPAQUE, values=values))["code"] == 204
    assert instance.values[4] == content


async def test_write_of_a_multiple_resource(ask: Any, instance: EveryType) -> None:
    values = {"5": "five", "7": "seven"}
    assert (await ask("write", "/32770/0/10", format=ContentFormat.SENML_CBOR, values=values))["code"] == 204
    assert instance.values[10] == {5: "five", 7: "seven"}


async def test_execute_with_arguments(ask: Any, instance: EveryType) -> None:
    assert (await ask("execute", "/32770/0/20", arguments="0='a-b',3"))["code"] == 204
    assert instance.executed == [{0: "a-b", 3: None}]


async def test_discover_shows_written_attributes(ask: Any) -> None:
    assert (await ask("attributes", "/32770/0/1", set={"pmin": 10, "gt": 5.5}))["code"] == 204
    answer = await ask("discover", "/32770/0/1")
    assert answer["code"] == 205
    assert "pmin=10" in answer["text"]
    assert "gt=5.5" in answer["text"]
    assert (await ask("discover", "/32770"))["code"] == 205


async def test_create_and_delete(ask: Any, manager: Any, device: Lwm2mClient) -> None:
    answer = await ask("create", "/32770", format=ContentFormat.TLV, values={"1": 77})
    assert (answer["code"], answer["text"]) == (201, "32770/1")
    await manager.told("updated")
    assert (await ask("read", "/32770/1/1"))["values"] == {"/32770/1/1": 77}
    assert (await ask("delete", "/32770/1"))["code"] == 202
    await manager.told("updated")
    assert (await ask("read", "/32770/1"))["code"] == 404


@pytest.mark.parametrize("path", ["/32770/0/1", "/32770/0", "/32770"])
@pytest.mark.parametrize("content_format", FORMATS)
async def test_observe_and_cancel(
    ask: Any, manager: Any, device: Lwm2mClient, instance: EveryType, path: str, content_format: ContentFormat
) -> None:
    answer = await ask("observe", path, format=content_format)
    assert answer["code"] == 205
    assert answer["values"] == below(path)
    instance.values[1] = 43
    device.notify("/32770/0/1")
    assert (await manager.told("notified", path=path))["values"]["/32770/0/1"] == 43
    assert (await ask("cancel", path))["code"] == 205
    instance.values[1] = 44
    device.notify("/32770/0/1")
    await ask("read", path)
    await asyncio.sleep(0.2)
    assert not manager.has_told("notified")


@pytest.mark.parametrize("content_format", [ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR])
async def test_composites(
    ask: Any, manager: Any, device: Lwm2mClient, instance: EveryType, content_format: ContentFormat
) -> None:
    paths = ["/32770/0/1", "/32770/0/10", "/3/0/0"]
    expected = {**below("/32770/0/1"), **below("/32770/0/10"), "/3/0/0": "lwm2m-ml"}
    read = await ask("read-composite", paths=paths, format=content_format)
    assert (read["code"], read["values"]) == (205, expected)
    written = await ask("write-composite", values={"/32770/0/1": 9, "/32770/0/0": "both"}, format=content_format)
    assert written["code"] == 204
    assert (instance.values[0], instance.values[1]) == ("both", 9)
    observed = await ask("observe-composite", paths=paths, format=content_format)
    assert (observed["code"], observed["values"]) == (205, {**expected, "/32770/0/1": 9})
    instance.values[1] = 10
    device.notify("/32770/0/1")
    assert (await manager.told("notified"))["values"] == {**expected, "/32770/0/1": 10}
    assert (await ask("cancel-composite", paths=paths, format=content_format))["code"] == 205


@pytest.mark.parametrize("content_format", [ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR])
async def test_send(ask: Any, manager: Any, device: Lwm2mClient, content_format: ContentFormat) -> None:
    records = [Record(ObjectPath.parse("/32770/0/1"), 5), Record(ObjectPath.parse("/3/0/0"), "ACME")]
    assert await device.send(records, content_format=content_format)
    assert (await manager.told("sent"))["values"] == {"/32770/0/1": 5, "/3/0/0": "ACME"}


async def test_lifetime_update_and_deregister(ask: Any, manager: Any, device: Lwm2mClient) -> None:
    assert (await ask("write", "/1/0/1", format=ContentFormat.TLV, values=600))["code"] == 204
    assert (await manager.told("updated"))["lifetime"] == 600
    await device.stop()
    assert (await manager.told("unregistered"))["expired"] is False
