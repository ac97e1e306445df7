"""What a client of each version of LwM2M says and does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiocoap
import cbor2
import pytest
from aiocoap import Code

from lwm2m_ml.coap.errors import RequestTimeout
from lwm2m_ml.coap.fast import FastRequest, FastResponse
from lwm2m_ml.lwm2m.codecs import encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.network.radio import RadioSettings
from lwm2m_ml_simulator.objects.base import ObjectInstance, readable, writable

Server = Any


class Door(ObjectInstance):
    object_id = 3303

    def __init__(self) -> None:
        super().__init__(0)
        self.value = 20.0
        self.open = False
        self.names: dict[int, str] = {0: "a", 3: "b"}

    @readable(5700)
    def sensor_value(self) -> float:
        return self.value

    @readable(5850)
    def is_open(self) -> bool:
        return self.open

    @readable(5750)
    def read_names(self) -> dict[int, str]:
        return self.names

    @writable(5750)
    def write_names(self, value: dict[int, str]) -> None:
        self.names = value


Run = Callable[..., AbstractAsyncContextManager[tuple[Lwm2mClient, Door]]]


@pytest.fixture
def running(server: Server) -> Run:
    @asynccontextmanager
    async def run(version: str, **settings: Any) -> AsyncIterator[tuple[Lwm2mClient, Door]]:
        door = Door()
        client = Lwm2mClient("door", server.uri, [door], catalogue=server.catalogue, version=version, **settings)
        async with client:
            await server.until_registered()
            await client.registered.wait()
            yield client, door

    return run


@pytest.mark.parametrize(
    ("version", "formats", "objects"),
    [
        ("1.0", {0, 42, 11542, 11543}, {1: "1.0", 3: "1.0", 3303: "1.0"}),
        ("1.1", {0, 42, 60, 110, 112, 11542, 11543}, {1: "1.1", 3: "1.1", 3303: "1.0"}),
        ("1.2", {0, 42, 60, 110, 112, 11542, 11543, 11544}, {1: "1.2", 3: "1.2", 3303: "1.0"}),
    ],
)
async def test_registers_as_its_version_does(
    server: Server, running: Run, version: str, formats: set[int], objects: dict[int, str]
) -> None:
    async with running(version, radio=RadioSettings(awake_seconds=30)):
        registration = server.registrations[0]
    assert (registration.version, registration.binding, registration.queue_mode) == (version, "U", True)
    assert registration.content_formats == formats
    assert registration.object_versions == objects


async def test_falls_back_to_a_version_that_the_server_speaks(server: Server, running: Run) -> None:
    asked: list[str] = []

    def only_1_0(request: FastRequest) -> FastResponse | None:
        asked.extend(item for item in request.query if item.startswith("lwm2m="))
        return None if "lwm2m=1.0" in request.query else FastResponse(Code.PRECONDITION_FAILED)

    server.refuses = only_1_0
    async with running("1.2") as (client, _):
        assert asked == ["lwm2m=1.2", "lwm2m=1.1", "lwm2m=1.0"]
        assert client.version == "1.0"
        assert not await client.send([Record(ObjectPath.parse("/3303/0/5700"), 1.0)])
        assert (await server.ask(Code.GET, "/3303/0", accept=ContentFormat.SENML_CBOR)).code is Code.NOT_ACCEPTABLE
        assert (await server.ask(Code.FETCH, "/", b"", content_format=322)).code is Code.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_attributes_of_1_2_are_known_from_1_2_on(server: Server, running: Run, version: str) -> None:
    async with running(version):
        for query in ("con=1", "hqmax=3"):
            code = (await server.ask(Code.PUT, "/3303/0/5700", query=(query,))).code
            assert (code is Code.CHANGED) == (version == "1.2")
        assert ((await server.ask(Code.PUT, "/3303/0/5850", query=("edge=1",))).code is Code.CHANGED) == (
            version == "1.2"
        )
        assert ((await server.ask(Code.PUT, "/3303/0", query=("epmin=1",))).code is Code.CHANGED) == (version != "1.0")


async def test_edge_tells_of_one_direction_only(server: Server, running: Run) -> None:
    async with running("1.2") as (client, door):
        await server.ask(Code.PUT, "/3303/0/5850", query=("edge=1",))
        heard: list[bytes] = []
        await server.observe("/3303/0/5850", heard)
        for value in (True, False, True):
            door.open = value
            client.notify("/3303/0/5850")
            await server.value("/3303/0/5850")
        await server.until(lambda: len(heard) == 2)
    assert heard == [b"1", b"1"]


async def test_the_evaluation_period_finds_changes_that_nobody_reports(server: Server, running: Run) -> None:
    async with running("1.1") as (_, door):
        await server.ask(Code.PUT, "/3303/0/5700", query=("epmax=1",))
        heard: list[bytes] = []
        await server.observe("/3303/0/5700", heard)
        door.value = 25.0
        await server.until(lambda: heard)
    assert [float(payload) for payload in heard] == [25.0]


async def test_con_and_the_default_mode_say_whether_notifications_are_confirmable(server: Server, running: Run) -> None:
    async with running("1.2") as (client, _):
        assert await server.write("/1/0/26", 0) is Code.CHANGED
        response = await client._site._notification(*_observed(client))
        assert response.transport_tuning.reliability is False
        await server.ask(Code.PUT, "/3303/0/5700", query=("con=1",))
        assert (await client._site._notification(*_observed(client))).transport_tuning.reliability is not False


def _observed(client: Lwm2mClient) -> tuple[aiocoap.Message, Any]:
    request = aiocoap.Message(code=Code.GET, uri_path=("3303", "0", "5700"))
    with client._site.observations.add([ObjectPath.parse("/3303/0/5700")]) as observation:
        return request, observation


async def test_the_historical_queue_brings_what_pmin_held_back(server: Server, running: Run) -> None:
    async with running("1.2") as (client, door):
        await server.ask(Code.PUT, "/3303/0/5700", query=("pmin=1", "hqmax=2"))
        heard: list[bytes] = []
        told = asyncio.Event()

        def hear(response: aiocoap.Message) -> None:
            heard.append(response.payload)
            told.set()

        message = server.message(Code.GET, "/3303/0/5700", accept=ContentFormat.SENML_CBOR)
        observation = await server.endpoint.observe(message, hear)
        for value in (21.0, 22.0, 23.0):
            door.value = value
            client.notify("/3303/0/5700")
            await server.value("/3303/0/5700")
        async with asyncio.timeout(5):
            await told.wait()
        await observation.cancel()
    entries = cbor2.loads(heard[0])
    assert [entry[2] for entry in entries] == [22.0, 23.0]
    assert len(heard) == 1


async def test_an_observation_can_bring_its_own_attributes(server: Server, running: Run) -> None:
    async with running("1.2") as (client, door):
        message = server.message(Code.GET, "/3303/0/5700", accept=0, query=("st=2",))
        heard: list[bytes] = []
        observation = await server.endpoint.observe(message, lambda response: heard.append(response.payload))
        for value in (21.0, 25.0):
            door.value = value
            client.notify("/3303/0/5700")
            await server.value("/3303/0/5700")
        await observation.cancel()
    assert [float(payload) for payload in heard] == [25.0]


async def test_resource_instances_are_replaced_merged_and_removed(server: Server, running: Run) -> None:
    names = ObjectPath.parse("/3303/0/5750")

    async def ask(code: Any, path: str, records: list[Record]) -> None:
        base = ROOT if code is Code.iPATCH else ObjectPath.parse(path)
        payload = encode(records, int(ContentFormat.SENML_CBOR), base, server.catalogue)
        response = await server.ask(code, path, payload, content_format=ContentFormat.SENML_CBOR)
        assert response.code is Code.CHANGED

    async with running("1.1") as (_, door):
        await ask(Code.POST, "/3303/0", [Record(names.child(3), "c")])
        assert door.names == {0: "a", 3: "c"}
        await ask(Code.PUT, "/3303/0/5750/7", [Record(names.child(7), "d")])
        assert door.names == {0: "a", 3: "c", 7: "d"}
        await ask(Code.iPATCH, "/", [Record(names.child(3), None), Record(names.child(8), "e")])
        assert door.names == {0: "a", 7: "d", 8: "e"}
        await ask(Code.PUT, "/3303/0/5750", [Record(names.child(1), "f")])
        assert door.names == {1: "f"}


@pytest.mark.parametrize(("depth", "lines"), [("0", 1), ("1", 2), ("2", 5)])
async def test_discover_looks_as_deep_as_asked(server: Server, running: Run, depth: str, lines: int) -> None:
    async with running("1.2"):
        response = await server.ask(Code.GET, "/3303", accept=ContentFormat.LINK, query=(f"depth={depth}",))
    assert response.payload.count(b"<") == lines


async def test_a_client_in_queue_mode_is_deaf_until_it_speaks(server: Server, running: Run) -> None:
    async with running("1.1", radio=RadioSettings(awake_seconds=0.2), lifetime=2) as (client, _):
        assert await server.value("/3303/0/5700") == 20.0
        await asyncio.sleep(0.4)  # long enough for the radio to go off
        assert not client.radio.awake
        server.patience = 0.1
        with pytest.raises(RequestTimeout):
            await server.value("/3303/0/5700")
        assert client.radio.figures.missed > 0
        server.patience = 5.0
        await server.until(lambda: server.updates)
        assert await server.value("/3303/0/5700") == 20.0


async def test_a_disabled_server_is_left_for_a_while(server: Server, running: Run) -> None:
    async with running("1.1"):
        assert await server.write("/1/0/5", 0) is Code.CHANGED
        assert await server.execute("/1/0/4") is Code.CHANGED
        await server.until_registered(2)
    assert server.deregistered == 2


async def test_a_composite_observation_hears_of_each_of_its_paths_until_it_is_cancelled(
    server: Server, running: Run
) -> None:
    async with running("1.1") as (client, door):
        paths = [Record(ObjectPath.parse(path), None) for path in ("/3303/0/5700", "/3303/0/5850", "/1/0/1")]
        payload = encode(paths, int(ContentFormat.SENML_ETCH_CBOR), ROOT, server.catalogue)
        message = server.message(
            Code.FETCH, "/", payload, content_format=ContentFormat.SENML_ETCH_CBOR, accept=ContentFormat.SENML_CBOR
        )
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        observation = await server.endpoint.observe(message, lambda response: heard.put_nowait(response.payload))
        assert len(cbor2.loads(observation.response.payload)) == 3
        door.value = 30.0
        client.notify("/3303/0/5700")
        assert 30.0 in [entry.get(2) for entry in cbor2.loads(await asyncio.wait_for(heard.get(), 5))]
        door.open = True
        client.notify("/3303/0/5850")
        assert True in [entry.get(4) for entry in cbor2.loads(await asyncio.wait_for(heard.get(), 5))]
        await observation.cancel()
        assert await server.value("/3303/0/5700") == 30.0
        assert len(client._site.observations) == 0


@pytest.mark.parametrize("path", ["/3303", "/3303/0", "/3303/0/5750", "/3303/0/5750/3"])
async def test_every_level_can_be_observed(server: Server, running: Run, path: str) -> None:
    async with running("1.1") as (client, door):
        message = server.message(Code.GET, path, accept=ContentFormat.SENML_CBOR)
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        await server.endpoint.observe(message, lambda response: heard.put_nowait(response.payload))
        door.names = {0: "a", 3: "changed"}
        client.notify("/3303/0/5750")
        assert b"changed" in await asyncio.wait_for(heard.get(), 5)
