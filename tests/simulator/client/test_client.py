import asyncio
from collections.abc import AsyncIterator
from typing import Any

import cbor2
import pytest
import pytest_asyncio
from aiocoap import Code

from lwm2m_ml.coap.fast import FastRequest, FastResponse
from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.codecs import encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.client.server_uri import ServerUri
from lwm2m_ml_simulator.objects.base import Arguments, ObjectInstance, executable, readable, writable

Server = Any  # the scripted server of conftest.py, which cannot be imported by name


class Thermometer(ObjectInstance):
    object_id = 3303

    def __init__(self, instance_id: int = 0) -> None:
        super().__init__(instance_id)
        self.value = 21.5
        self.application = "room"
        self.executed: list[Arguments] = []

    @readable(5700)
    def sensor_value(self) -> float:
        return self.value

    @readable(5750)
    def read_application(self) -> str:
        return self.application

    @writable(5750)
    def write_application(self, value: str) -> None:
        self.application = value

    @executable(5605)
    def reset(self, arguments: Arguments) -> None:
        self.executed.append(arguments)


@pytest.fixture
def thermometer() -> Thermometer:
    return Thermometer()


@pytest_asyncio.fixture
async def client(server: Server, thermometer: Thermometer) -> AsyncIterator[Lwm2mClient]:
    client = Lwm2mClient("kitchen", server.uri, [thermometer], catalogue=server.catalogue)
    client.tree.allow_create(3303, Thermometer)
    async with client:
        await server.until_registered()
        yield client


async def test_registers_with_its_parameters_and_objects(server: Server, client: Lwm2mClient) -> None:
    registration = server.registrations[0]
    assert (registration.endpoint, registration.version, registration.binding) == ("kitchen", "1.1", "U")
    assert registration.lifetime == 86_400
    assert set(registration.objects) == {(1, 0), (3, 0), (3303, 0)}
    assert {11542, 11543, 110, 112} <= registration.content_formats


async def test_deregisters_when_it_stops(server: Server, thermometer: Thermometer) -> None:
    async with Lwm2mClient("kitchen", server.uri, [thermometer], catalogue=server.catalogue) as client:
        await server.until_registered()
        await client.registered.wait()
    assert server.deregistered == 1


@pytest.mark.parametrize(
    "accept",
    [ContentFormat.TLV, ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.LWM2M_JSON],
)
async def test_reads_in_every_format_by_accept(server: Server, client: Lwm2mClient, accept: ContentFormat) -> None:
    assert await server.read("/3303/0", accept) == {"/3303/0/5700": 21.5, "/3303/0/5750": "room"}


async def test_a_single_value_comes_as_text_where_no_format_is_asked_for(server: Server, client: Lwm2mClient) -> None:
    response = await server.ask(Code.GET, "/3303/0/5700")
    assert (response.opt.content_format, response.payload) == (0, b"21.5")


@pytest.mark.parametrize(
    ("code", "path", "accept", "expected"),
    [
        (Code.GET, "/0/0/0", None, Code.UNAUTHORIZED),
        (Code.GET, "/3303/7", None, Code.NOT_FOUND),
        (Code.GET, "/nothing/here", None, Code.NOT_FOUND),
        (Code.GET, "/3303/0/5605", None, Code.METHOD_NOT_ALLOWED),
        (Code.GET, "/3303/0", ContentFormat.TEXT, Code.NOT_ACCEPTABLE),
        (Code.GET, "/3303/0/5700", ContentFormat.OPAQUE, Code.NOT_ACCEPTABLE),
        (Code.GET, "/3303/0/5700", 9999, Code.NOT_ACCEPTABLE),
        (Code.POST, "/3303/0/5700", None, Code.METHOD_NOT_ALLOWED),
        (Code.DELETE, "/3/0", None, Code.METHOD_NOT_ALLOWED),
        (Code.PATCH, "/3303/0", None, Code.METHOD_NOT_ALLOWED),
    ],
)
async def test_answers_with_the_code_of_the_specification(
    server: Server, client: Lwm2mClient, code: Code, path: str, accept: int | None, expected: Code
) -> None:
    assert (await server.ask(code, path, accept=accept)).code is expected


async def test_write_of_a_resource_and_of_an_instance(
    server: Server, client: Lwm2mClient, thermometer: Thermometer
) -> None:
    assert await server.write("/3303/0/5750", "oven") is Code.CHANGED
    assert thermometer.application == "oven"
    payload = b'[{"n":"/3303/0/5750","vs":"cellar"}]'
    response = await server.ask(Code.POST, "/3303/0", payload, content_format=ContentFormat.SENML_JSON)
    assert response.code is Code.CHANGED
    assert thermometer.application == "cellar"
    assert await server.write("/3303/0/5700", 3.0) is Code.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    ("payload", "content_format", "expected"),
    [
        (b"\xff\xff", ContentFormat.SENML_CBOR, Code.BAD_REQUEST),
        (b"oven", 9999, Code.UNSUPPORTED_CONTENT_FORMAT),
        (b'[{"n":"/3303/1/5750","vs":"x"}]', ContentFormat.SENML_JSON, Code.BAD_REQUEST),
    ],
)
async def test_bad_payloads_are_refused(
    server: Server, client: Lwm2mClient, payload: bytes, content_format: int, expected: Code
) -> None:
    assert (await server.ask(Code.PUT, "/3303/0", payload, content_format=content_format)).code is expected


async def test_execute_with_arguments(server: Server, client: Lwm2mClient, thermometer: Thermometer) -> None:
    assert await server.execute("/3303/0/5605", "0='a',1") is Code.CHANGED
    assert thermometer.executed == [{0: "a", 1: None}]
    assert await server.execute("/3303/0/5605", "nonsense") is Code.BAD_REQUEST


async def test_create_and_delete_are_told_by_an_update(server: Server, client: Lwm2mClient) -> None:
    response = await server.ask(Code.POST, "/3303")
    assert (response.code, response.opt.location_path) == (Code.CREATED, ("3303", "1"))
    await server.until(lambda: server.updates)
    assert (await server.ask(Code.DELETE, "/3303/1")).code is Code.DELETED
    await server.until(lambda: len(server.updates) == 2)


async def test_create_with_bare_resources_in_tlv_chooses_the_number(server: Server, client: Lwm2mClient) -> None:
    payload = bytes.fromhex("e816760663656c6c6172")
    response = await server.ask(Code.POST, "/3303", payload, content_format=ContentFormat.TLV)
    assert (response.code, response.opt.location_path) == (Code.CREATED, ("3303", "1"))
    assert await server.value("/3303/1/5750") == "cellar"


async def test_discover_shows_resources_and_attributes(server: Server, client: Lwm2mClient) -> None:
    response = await server.ask(Code.PUT, "/3303/0/5700", query=("pmin=5", "pmax=60"))
    assert response.code is Code.CHANGED
    response = await server.ask(Code.GET, "/3303/0", accept=ContentFormat.LINK)
    assert response.opt.content_format == 40
    assert b"</3303/0/5700>;pmin=5;pmax=60" in response.payload
    assert b"</3303/0/5605>" in response.payload


async def test_contradicting_attributes_are_refused(server: Server, client: Lwm2mClient) -> None:
    response = await server.ask(Code.PUT, "/3303/0/5700", query=("pmin=50", "pmax=6"))
    assert response.code is Code.BAD_REQUEST


async def test_an_observer_hears_of_changes_until_it_cancels(
    server: Server, client: Lwm2mClient, thermometer: Thermometer
) -> None:
    heard: list[bytes] = []
    observation = await server.observe("/3303/0/5700", heard)
    assert observation.response.payload == b"21.5"
    thermometer.value = 22.0
    client.notify("/3303/0/5700")
    await server.until(lambda: heard == [b"22.0"] or heard == [b"22"])
    await observation.cancel()
    client.notify("/3303/0/5700")
    assert await server.value("/3303/0/5700") == 22.0
    assert len(heard) == 1


async def test_a_step_holds_small_changes_back(server: Server, client: Lwm2mClient, thermometer: Thermometer) -> None:
    await server.ask(Code.PUT, "/3303/0/5700", query=("st=1",))
    heard: list[bytes] = []
    await server.observe("/3303/0/5700", heard)
    for value in (21.7, 21.9, 23.0):
        thermometer.value = value
        client.notify("/3303/0/5700")
        await server.value("/3303/0/5700")  # lets the client run
    await server.until(lambda: heard)
    assert [float(payload) for payload in heard] == [23.0]


async def test_composite_read_and_write(server: Server, client: Lwm2mClient, thermometer: Thermometer) -> None:
    paths = [Record(ObjectPath.parse(text), None) for text in ("/3303/0/5700", "/1/0/1", "/0", "/77")]
    payload = encode(paths, int(ContentFormat.SENML_ETCH_CBOR), ROOT, server.catalogue)
    response = await server.ask(
        Code.FETCH, "/", payload, content_format=ContentFormat.SENML_ETCH_CBOR, accept=ContentFormat.SENML_CBOR
    )
    assert response.code is Code.CONTENT
    assert sorted(entry[0] for entry in cbor2.loads(response.payload)) == ["/1/0/1", "/3303/0/5700"]
    good = Record(ObjectPath.parse("/3303/0/5750"), "attic")
    bad = Record(ObjectPath.parse("/3303/0/5700"), 1.0)
    for records, expected, application in (
        ([good, bad], Code.METHOD_NOT_ALLOWED, "room"),
        ([good], Code.CHANGED, "attic"),
    ):
        payload = encode(records, int(ContentFormat.SENML_CBOR), ROOT, server.catalogue)
        response = await server.ask(Code.iPATCH, "/", payload, content_format=ContentFormat.SENML_CBOR)
        assert response.code is expected
        assert thermometer.application == application


async def test_send_reaches_the_server_unless_muted(server: Server, client: Lwm2mClient) -> None:
    record = Record(ObjectPath.parse("/3303/0/5700"), 19.5)
    assert await client.send([record])
    assert server.sent == [(record,)]
    assert await server.write("/1/0/23", True) is Code.CHANGED
    assert not await client.send([record])


async def test_nothing_is_sent_to_a_server_that_does_not_know_the_client(server: Server, catalogue: Catalogue) -> None:
    asked = asyncio.Event()

    def refuse(request: FastRequest) -> FastResponse:
        asked.set()
        return FastResponse(Code.FORBIDDEN)

    server.refuses = refuse
    async with Lwm2mClient("mcu", server.uri, catalogue=catalogue) as client:
        await asyncio.wait_for(asked.wait(), 20.0)
        assert not await client.send([Record(ObjectPath.parse("/3/0/9"), 50)])
    assert server.sent == []


async def test_a_changed_lifetime_is_told_by_an_update(server: Server, client: Lwm2mClient) -> None:
    assert await server.write("/1/0/1", 120) is Code.CHANGED
    await server.until(lambda: server.updates)
    assert server.updates == [("lt=120",)]


async def test_registers_again_when_the_server_does_not_know_it(server: Server, client: Lwm2mClient) -> None:
    server.knows_nobody = True
    assert await server.execute("/1/0/8") is Code.CHANGED
    await server.until_registered(2)


async def test_updates_before_its_lifetime_ends(server: Server) -> None:
    async with Lwm2mClient("brief", server.uri, lifetime=1, catalogue=server.catalogue):
        await server.until(lambda: server.updates)


@pytest.mark.parametrize("uri", ["", "http://host", "coap://", "coap://host:x"])
def test_a_server_address_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="coap://host:port"):
        ServerUri.parse(uri)
