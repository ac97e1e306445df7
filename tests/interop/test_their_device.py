"""A device on Eclipse Leshan's client library, served by our server: every operation, format and level."""

import asyncio
from collections.abc import Sequence
from typing import Any

import aiocoap
import pytest
import pytest_asyncio
from aiocoap.numbers.codes import Code

from lwm2m_ml.lwm2m.attributes import parse_attributes
from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.server.bootstrap_configuration import BootstrapConfiguration
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.errors import DeviceError, UnknownDevice
from lwm2m_ml.server.events import (
    DataSent,
    DeviceBootstrapped,
    DeviceDeregistered,
    DeviceRegistered,
    DeviceUpdated,
    Notified,
    RequestEnded,
)
from lwm2m_ml.server.exchange import Outgoing
from lwm2m_ml.server.operations import Operation, OperationName, records_of

pytestmark = [pytest.mark.interop, pytest.mark.timeout(720)]  # the first one may have to download

TEST = ObjectPath(32770)
INSTANCE = TEST.child(0)
NAME = "leshan-device"

VALUES: dict[str, Value] = {
    "/32770/0/0": "Grüße",
    "/32770/0/1": -42,
    "/32770/0/2": 3.25,
    "/32770/0/3": True,
    "/32770/0/4": b"\x00\x01\xfe\xff",
    "/32770/0/5": 1_700_000_000,
    "/32770/0/6": ObjectLink(3, 0),
    "/32770/0/7": 4_294_967_296,
    "/32770/0/10/0": "zero",
    "/32770/0/10/3": "three",
    "/32770/0/11/1": 100,
}
TREE_FORMATS = (
    ContentFormat.TLV,
    ContentFormat.LWM2M_JSON,
    ContentFormat.SENML_JSON,
    ContentFormat.SENML_CBOR,
)


@pytest_asyncio.fixture
async def device(start_peer: Any, running: Any, models: str) -> Any:
    """Leshan's device, registered with our server."""
    peer = await start_peer("Device", NAME, running.uri, "300", models)
    await peer.told("registered")
    await running.events.next(DeviceRegistered)
    return peer


def values(records: Sequence[Record]) -> dict[str, Value | None]:
    return {str(record.path): record.value for record in records}


def below(path: ObjectPath) -> dict[str, Value]:
    return {text: value for text, value in VALUES.items() if path.contains(ObjectPath.parse(text))}


async def exchange(running: Any, outgoing: Outgoing) -> aiocoap.Message:
    """One request in a format of the test's choice, where the server would choose one itself."""
    async with running.server._exchange.turn(NAME) as registration:
        response: aiocoap.Message = await running.server._exchange.send(registration, outgoing, None)
        return response


async def test_register_tells_version_objects_and_formats(device: Any, running: Any) -> None:
    registration = running.server.registry.get(NAME)
    parameters = registration.parameters
    assert parameters.version == "1.1"
    assert parameters.lifetime == 300
    assert parameters.binding == "U"
    assert not parameters.queue_mode
    assert parameters.objects[32770, 0] == "1.0"
    assert {(1, 0), (3, 0)} <= set(parameters.objects)
    assert {ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR, ContentFormat.TLV} <= parameters.content_formats


@pytest.mark.parametrize("path", ["/32770", "/32770/0", "/32770/0/10", "/32770/0/10/3", "/32770/0/2"])
async def test_read_on_every_level(device: Any, running: Any, path: str) -> None:
    parsed = ObjectPath.parse(path)
    assert values(await running.server.devices.read(NAME, parsed)) == below(parsed)


@pytest.mark.parametrize("content_format", TREE_FORMATS)
@pytest.mark.parametrize("path", ["/32770", "/32770/0", "/32770/0/10", "/32770/0/7"])
async def test_read_in_every_format(
    device: Any, running: Any, catalogue: Catalogue, content_format: ContentFormat, path: str
) -> None:
    parsed = ObjectPath.parse(path)
    response = await exchange(running, Outgoing("Read", Code.GET, parsed, accept=content_format))
    assert response.opt.content_format == content_format
    assert values(decode(response.payload, content_format, parsed, catalogue)) == below(parsed)


@pytest.mark.parametrize("content_format", [ContentFormat.TEXT, ContentFormat.CBOR, ContentFormat.SENML_CBOR])
@pytest.mark.parametrize("resource", [0, 1, 2, 3, 5, 6, 7])
async def test_read_of_every_type_as_a_single_value(
    device: Any, running: Any, catalogue: Catalogue, content_format: ContentFormat, resource: int
) -> None:
    path = INSTANCE.child(resource)
    response = await exchange(running, Outgoing("Read", Code.GET, path, accept=content_format))
    assert response.opt.content_format == content_format
    assert values(decode(response.payload, content_format, path, catalogue)) == below(path)


async def test_read_of_bytes_as_opaque(device: Any, running: Any) -> None:
    outgoing = Outgoing("Read", Code.GET, INSTANCE.child(4), accept=ContentFormat.OPAQUE)
    assert (await exchange(running, outgoing)).payload == VALUES["/32770/0/4"]


@pytest.mark.parametrize(
    ("path", "code"), [("/32770/0/19", "NOT_FOUND"), ("/32770/9", "NOT_FOUND"), ("/0", "NOT_FOUND")]
)
async def test_read_of_what_is_not_there_or_closed(device: Any, running: Any, path: str, code: str) -> None:
    with pytest.raises(DeviceError) as caught:
        await running.server.devices.read(NAME, ObjectPath.parse(path))
    assert caught.value.code in {ResponseCode[code], ResponseCode.UNAUTHORIZED}


@pytest.mark.parametrize(
    ("resource", "value"),
    [
        (0, "¡Hola!"),
        (1, -(2**40)),
        (2, -0.5),
        (3, False),
        (4, bytes(range(256)) * 8),
        (5, 1_800_000_000),
        (6, ObjectLink(1, 0)),
        (7, 2**63 + 1),
    ],
)
async def test_write_of_every_type(device: Any, running: Any, resource: int, value: Value) -> None:
    path = INSTANCE.child(resource)
    await running.server.devices.write(NAME, path, value)
    assert values(await running.server.devices.read(NAME, path)) == {str(path): value}


@pytest.mark.parametrize("content_format", TREE_FORMATS)
async def test_write_in_every_format(
    device: Any, running: Any, catalogue: Catalogue, content_format: ContentFormat
) -> None:
    records = (Record(INSTANCE.child(1), 7), Record(INSTANCE.child(0), "seven"))
    payload = encode(records, content_format, INSTANCE, catalogue)
    outgoing = Outgoing("Write", Code.POST, INSTANCE, payload=payload, content_format=content_format)
    assert (await exchange(running, outgoing)).code is Code.CHANGED
    read = values(await running.server.devices.read(NAME, INSTANCE))
    assert (read["/32770/0/0"], read["/32770/0/1"]) == ("seven", 7)
    assert read["/32770/0/2"] == VALUES["/32770/0/2"]


async def test_write_of_part_of_an_instance_leaves_the_rest(device: Any, running: Any) -> None:
    await running.server.devices.write(NAME, INSTANCE, (Record(INSTANCE.child(1), 5),), replace=False)
    read = values(await running.server.devices.read(NAME, INSTANCE))
    assert read == {**VALUES, "/32770/0/1": 5}


async def test_write_of_an_instance_replaces_what_it_names(device: Any, running: Any) -> None:
    await running.server.devices.write(NAME, INSTANCE, (Record(INSTANCE.child(1), 6), Record(INSTANCE.child(0), "x")))
    written = {(await device.told("written"))["path"] for _ in range(2)}
    assert written == {"/32770/0/0", "/32770/0/1"}


async def test_write_of_a_multiple_resource_replaces_or_adds(device: Any, running: Any) -> None:
    texts = INSTANCE.child(10)
    await running.server.devices.write(NAME, texts, (Record(texts.child(1), "one"),), replace=False)
    read = values(await running.server.devices.read(NAME, texts))
    assert read["/32770/0/10/1"] == "one"
    await running.server.devices.write(NAME, texts, (Record(texts.child(2), "two"),))
    assert values(await running.server.devices.read(NAME, texts)) == {"/32770/0/10/2": "two"}


async def test_write_in_blocks(device: Any, running: Any) -> None:
    content = bytes(5000)
    await running.server.devices.write(NAME, INSTANCE.child(4), content)
    assert values(await running.server.devices.read(NAME, INSTANCE.child(4))) == {"/32770/0/4": content}


async def test_write_of_what_is_read_only_is_refused(device: Any, running: Any) -> None:
    with pytest.raises(DeviceError) as caught:
        await running.server.devices.write(NAME, ObjectPath(3, 0, 0), "ACME")
    assert caught.value.code == ResponseCode.METHOD_NOT_ALLOWED


async def test_execute_with_arguments(device: Any, running: Any) -> None:
    await running.server.devices.execute(NAME, INSTANCE.child(20), "0='a-b',3")
    told = await device.told("executed")
    assert told["arguments"] == {"0": "a-b", "3": None}


async def test_execute_of_what_cannot_be_executed_is_refused(device: Any, running: Any) -> None:
    with pytest.raises(DeviceError) as caught:
        await running.server.devices.execute(NAME, INSTANCE.child(0))
    assert caught.value.code == ResponseCode.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("path", ["/32770", "/32770/0", "/32770/0/10"])
async def test_discover_on_every_level(device: Any, running: Any, path: str) -> None:
    links = await running.server.devices.discover(NAME, ObjectPath.parse(path))
    assert path in {link.target for link in links}
    if path != "/32770/0/10":
        assert "/32770/0/20" in {link.target for link in links}


async def test_written_attributes_are_discovered_and_cleared(device: Any, running: Any) -> None:
    path = INSTANCE.child(1)
    await running.server.devices.write_attributes(NAME, path, parse_attributes(["pmin=10", "pmax=60", "gt=5.5"]))
    link = next(link for link in await running.server.devices.discover(NAME, path) if link.target == str(path))
    assert link.attributes["pmin"] == "10"
    assert float(link.attributes["gt"] or 0) == 5.5
    await running.server.devices.write_attributes(NAME, path, parse_attributes(["gt"]))
    link = next(link for link in await running.server.devices.discover(NAME, path) if link.target == str(path))
    assert "gt" not in link.attributes


async def test_create_and_delete(device: Any, running: Any) -> None:
    made = await running.server.devices.create(NAME, TEST, (Record(TEST.child(7).child(1), 77),))
    assert made == TEST.child(7)
    assert values(await running.server.devices.read(NAME, made.child(1))) == {"/32770/7/1": 77}
    await running.events.next(DeviceUpdated, lambda event: event.objects_changed)
    assert (32770, 7) in running.server.registry.get(NAME).parameters.objects
    await running.server.devices.delete(NAME, made)
    await running.events.next(DeviceUpdated, lambda event: event.objects_changed)
    assert (32770, 7) not in running.server.registry.get(NAME).parameters.objects


async def test_create_lets_the_device_number_the_instance(device: Any, running: Any) -> None:
    made = await running.server.devices.create(NAME, TEST, ())
    assert made.level == 2
    assert made != INSTANCE


@pytest.mark.parametrize("path", ["/32770/0/1", "/32770/0", "/32770"])
async def test_observe_on_every_level_and_cancel(device: Any, running: Any, path: str) -> None:
    parsed = ObjectPath.parse(path)
    observed = await running.server.devices.observe(NAME, parsed)
    assert values(observed.records) == below(parsed)
    await running.events.next(Notified)
    await device.ask("set", resource=1, value=43)
    event = await running.events.next(Notified)
    assert values(event.records) == {**below(parsed), "/32770/0/1": 43}
    await running.server.devices.cancel_observation(NAME, parsed)
    await device.ask("set", resource=1, value=44)
    await running.server.devices.read(NAME, parsed)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(running.events.next(Notified), 0.3)


async def test_read_composite_gives_what_is_readable(device: Any, running: Any) -> None:
    paths = [ObjectPath.parse(path) for path in ("/3/0/0", "/32770/0/1", "/32770/0/10", "/32770/9/1")]
    read = values(await running.server.devices.read_composite(NAME, paths))
    assert read == {
        "/3/0/0": "Eclipse Leshan",
        "/32770/0/1": -42,
        "/32770/0/10/0": "zero",
        "/32770/0/10/3": "three",
    }


async def test_write_composite(device: Any, running: Any) -> None:
    records = (Record(INSTANCE.child(1), 1), Record(INSTANCE.child(0), "both"))
    await running.server.devices.write_composite(NAME, records)
    read = values(await running.server.devices.read(NAME, INSTANCE))
    assert (read["/32770/0/0"], read["/32770/0/1"]) == ("both", 1)


async def test_observe_composite_and_cancel(device: Any, running: Any) -> None:
    paths = [INSTANCE.child(1), ObjectPath(3, 0, 0)]
    await running.server.devices.observe_composite(NAME, paths)
    await running.events.next(Notified)
    await device.ask("set", resource=1, value=50)
    event = await running.events.next(Notified)
    assert values(event.records) == {"/32770/0/1": 50, "/3/0/0": "Eclipse Leshan"}
    await running.server.devices.cancel_composite_observation(NAME, paths)
    await device.ask("set", resource=1, value=51)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(running.events.next(Notified), 0.3)


@pytest.mark.parametrize("content_format", [ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR])
async def test_send_in_both_formats(device: Any, running: Any, content_format: ContentFormat) -> None:
    paths = ["/32770/0/1", "/32770/0/4", "/3/0/0"]
    answer = await device.ask("send", paths=paths, format=content_format)
    assert answer["code"] == 204
    event = await running.events.next(DataSent)
    assert values(event.records) == {"/32770/0/1": -42, "/32770/0/4": b"\x00\x01\xfe\xff", "/3/0/0": "Eclipse Leshan"}


async def test_update_and_deregister(device: Any, running: Any) -> None:
    await device.ask("update")
    await device.told("updated")
    await running.events.next(DeviceUpdated)
    await device.ask("leave")
    await running.events.next(DeviceDeregistered)
    with pytest.raises(UnknownDevice):
        running.server.registry.get(NAME)


async def test_a_written_lifetime_comes_back_as_an_update(device: Any, running: Any) -> None:
    await running.server.devices.write(NAME, ObjectPath(1, 0, 1), 600)
    await running.events.next(DeviceUpdated)
    assert running.server.registry.get(NAME).parameters.lifetime == 600


async def test_the_registration_update_trigger(device: Any, running: Any) -> None:
    await running.server.devices.execute(NAME, ObjectPath(1, 0, 8))
    await running.events.next(DeviceUpdated)


async def test_requests_to_a_sleeping_device_wait_for_its_update(start_peer: Any, running: Any, models: str) -> None:
    device = await start_peer("Device", NAME, running.uri, "300", models, "queue")
    await device.told("registered")
    await running.events.next(DeviceRegistered)
    assert running.server.registry.get(NAME).parameters.queue_mode
    async with asyncio.timeout(10):
        while running.server.awake(NAME):  # noqa: ASYNC110 - falling asleep is no event, only time that passes
            await asyncio.sleep(0.1)
    operation = Operation(OperationName.READ, (ObjectPath(3, 0, 0),))
    number = await running.server.requests.submit(NAME, operation)
    assert (await running.server.requests.get(number)).state == "waiting"
    await device.ask("update")
    await running.events.next(RequestEnded)
    record = await running.server.requests.get(number)
    assert record.state == "done"
    assert values(records_of(record.outcome)) == {"/3/0/0": "Eclipse Leshan"}


KEY = "000102030405060708090a0b0c0d0e0f"


async def test_a_device_with_a_key_is_served_over_dtls(start_peer: Any, running: Any, models: str) -> None:
    await running.server.credentials.add(NAME, CredentialKind.PSK, identity="leshan", key=KEY)
    device = await start_peer("Device", NAME, running.server.uris["coaps"], "300", models, f"psk=leshan:{KEY}")
    await device.told("registered")
    await running.events.next(DeviceRegistered)
    assert running.server.registry.get(NAME).identity == "psk:leshan"
    assert values(await running.server.devices.read(NAME, INSTANCE)) == below(INSTANCE)
    content = bytes(range(256)) * 8
    await running.server.devices.write(NAME, INSTANCE.child(4), content)
    assert values(await running.server.devices.read(NAME, INSTANCE.child(4))) == {"/32770/0/4": content}
    await running.server.devices.observe(NAME, INSTANCE.child(1))
    await running.events.next(Notified)
    await device.ask("set", resource=1, value=43)
    assert values((await running.events.next(Notified)).records) == {"/32770/0/1": 43}
    assert (await device.ask("send", paths=["/32770/0/1"], format=ContentFormat.SENML_CBOR))["code"] == 204
    await device.ask("update")
    await running.events.next(DeviceUpdated)


async def test_a_device_with_another_endpoints_key_is_refused(start_peer: Any, running: Any, models: str) -> None:
    await running.server.credentials.add("somebody-else", CredentialKind.PSK, identity="leshan", key=KEY)
    device = await start_peer("Device", NAME, running.server.uris["coaps"], "300", models, f"psk=leshan:{KEY}")
    assert (await device.told("registration failed"))["code"] == 403
    assert len(running.server.registry) == 0


async def test_bootstrap_hands_out_a_server_account(start_peer: Any, running: Any, models: str) -> None:
    server, security = ObjectPath(1, 0), ObjectPath(0, 1)
    account: dict[ObjectPath, Value] = {
        security.child(0): running.uri,
        security.child(1): False,
        security.child(2): 3,
        security.child(3): b"",
        security.child(4): b"",
        security.child(5): b"",
        security.child(10): 1,
        server.child(0): 1,
        server.child(1): 120,
        server.child(6): False,
        server.child(7): "U",
    }
    records = tuple(Record(path, value) for path, value in account.items())
    await running.server.bootstrap.configure(NAME, BootstrapConfiguration(records, (ObjectPath(1),)))
    device = await start_peer("Device", NAME, running.uri, "300", models, "bootstrap")
    await device.told("bootstrapped")
    await running.events.next(DeviceBootstrapped)
    await device.told("registered")
    await running.events.next(DeviceRegistered)
    assert running.server.registry.get(NAME).parameters.lifetime == 120
