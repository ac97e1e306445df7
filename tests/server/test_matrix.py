"""Every operation in every format of every version, on the wire: what the server asks for, sends and reads."""

from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.lwm2m.attributes import parse_attributes
from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.composite import parse_read_request, parse_write_request
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.server.events import DataSent, Notified

CATALOGUE = Catalogue.shipped()
TREE_FORMATS = {
    "1.0": (ContentFormat.TLV, ContentFormat.LWM2M_JSON),
    "1.1": (ContentFormat.TLV, ContentFormat.LWM2M_JSON, ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR),
    "1.2": (
        ContentFormat.TLV,
        ContentFormat.LWM2M_JSON,
        ContentFormat.SENML_JSON,
        ContentFormat.SENML_CBOR,
        ContentFormat.LWM2M_CBOR,
    ),
}
TREES = [(version, content_format) for version, formats in TREE_FORMATS.items() for content_format in formats]
COMPOSITES = [
    (version, content_format)
    for version in ("1.1", "1.2")
    for content_format in (
        ContentFormat.SENML_JSON,
        ContentFormat.SENML_CBOR,
        ContentFormat.SENML_ETCH_JSON,
        ContentFormat.SENML_ETCH_CBOR,
    )
]
SENDS = [
    ("1.1", ContentFormat.SENML_JSON),
    ("1.1", ContentFormat.SENML_CBOR),
    ("1.2", ContentFormat.SENML_JSON),
    ("1.2", ContentFormat.SENML_CBOR),
    ("1.2", ContentFormat.LWM2M_CBOR),
]
PATHS = ("/3", "/3/0", "/3/0/7", "/3/0/7/1")
VALUES: dict[str, Value] = {
    "/3/0/0": "ACME",
    "/3/0/7/0": 3800,
    "/3/0/7/1": 5000,
    "/3/0/9": 80,
    "/3/0/13": 1_700_000_000,
}
RECORDS = tuple(Record(ObjectPath.parse(path), value) for path, value in VALUES.items())
SINGLES: list[tuple[str, str, Value, ContentFormat]] = [
    (version, path, value, content_format)
    for version in ("1.0", "1.1", "1.2")
    for path, value, content_format in (
        ("/3/0/0", "ACME", ContentFormat.TEXT),
        ("/3/0/9", 80, ContentFormat.TEXT),
        ("/3/0/13", 1_700_000_000, ContentFormat.TEXT),
        ("/9/0/2", b"\x00\xff", ContentFormat.OPAQUE),
        ("/3/0/13", 1_700_000_000, ContentFormat.CBOR),
        ("/1/0/10", ObjectLink(11, 0), ContentFormat.CBOR),
    )
    if version != "1.0" or content_format is not ContentFormat.CBOR
]


async def register(device: Any, version: str, content_format: int) -> None:
    objects = b'</>;rt="oma.lwm2m";ct="%d",</1/0>,</3/0>,</9/0>' % content_format
    assert (await device.register(version=version, objects=objects)).code is Code.CREATED


def refuses_other_formats(device: Any, content_format: int, code: Code, payload: bytes = b"") -> None:
    """Let the device read and write one format only, whatever it told."""

    async def script(request: aiocoap.Message) -> aiocoap.Message:
        if request.opt.content_format not in {None, content_format}:
            return aiocoap.Message(code=Code.UNSUPPORTED_CONTENT_FORMAT)
        if request.code is Code.GET and request.opt.accept != content_format and request.opt.observe != 1:
            return aiocoap.Message(code=Code.NOT_ACCEPTABLE)
        response = aiocoap.Message(code=code, payload=payload, content_format=content_format if payload else None)
        if request.opt.observe == 0:
            response.opt.observe = 1
        return response

    device.site.script = script


def below(path: ObjectPath) -> tuple[Record, ...]:
    return tuple(record for record in RECORDS if path.contains(record.path))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("version", "content_format"), TREES)
async def test_read(running: Any, device: Any, version: str, content_format: ContentFormat, path: str) -> None:
    base = ObjectPath.parse(path)
    await register(device, version, content_format)
    refuses_other_formats(device, content_format, Code.CONTENT, encode(below(base), content_format, base, CATALOGUE))
    assert set(await running.server.devices.read("dev", base)) == set(below(base))
    assert device.last_request.opt.accept == content_format


@pytest.mark.parametrize(("version", "path", "value", "content_format"), SINGLES)
async def test_read_of_a_single_value(
    running: Any, device: Any, version: str, path: str, value: Value, content_format: ContentFormat
) -> None:
    base = ObjectPath.parse(path)
    await register(device, version, content_format)
    device.answers(encode([Record(base, value)], content_format, base, CATALOGUE), content_format)
    assert await running.server.devices.read("dev", base) == (Record(base, value),)


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize(("version", "content_format"), TREES)
async def test_write(running: Any, device: Any, version: str, content_format: ContentFormat, replace: bool) -> None:
    instance = ObjectPath(1, 0)
    records = (Record(instance.child(1), 300), Record(instance.child(6), True))
    await register(device, version, content_format)
    refuses_other_formats(device, content_format, Code.CHANGED)
    await running.server.devices.write("dev", instance, records, replace=replace)
    sent = device.last_request
    assert (sent.code, sent.opt.content_format) == (Code.PUT if replace else Code.POST, content_format)
    assert decode(sent.payload, content_format, instance, CATALOGUE) == records


@pytest.mark.parametrize(
    ("version", "told", "value", "path", "sent"),
    [
        (version, told, value, path, sent)
        for version, told in (("1.0", 11542), ("1.1", 0), ("1.2", 0))
        for value, path, sent in (("UTC", "/3/0/15", 0), (b"\x00\xff", "/9/0/2", 42))
    ],
)
async def test_write_of_a_single_value(
    running: Any, device: Any, version: str, told: int, value: Value, path: str, sent: int
) -> None:
    await register(device, version, told)
    device.answers(code=Code.CHANGED)
    await running.server.devices.write("dev", ObjectPath.parse(path), value)
    assert device.last_request.opt.content_format == sent


@pytest.mark.parametrize(("version", "content_format"), TREES)
async def test_create(running: Any, device: Any, version: str, content_format: ContentFormat) -> None:
    records = (Record(ObjectPath(1, 4, 1), 300), Record(ObjectPath(1, 4, 7), "U"))
    await register(device, version, content_format)
    refuses_other_formats(device, content_format, Code.CREATED)
    assert await running.server.devices.create("dev", ObjectPath(1), records) == ObjectPath(1, 4)
    sent = device.last_request
    assert (sent.code, sent.opt.content_format) == (Code.POST, content_format)
    assert decode(sent.payload, content_format, ObjectPath(1), CATALOGUE) == records


@pytest.mark.parametrize("version", TREE_FORMATS)
async def test_operations_without_values(running: Any, device: Any, version: str) -> None:
    await register(device, version, ContentFormat.TLV)
    devices = running.server.devices
    device.answers(code=Code.CHANGED)
    await devices.execute("dev", ObjectPath(3, 0, 4), "0='a'")
    assert (device.last_request.code, device.last_request.payload) == (Code.POST, b"0='a'")
    await devices.write_attributes("dev", ObjectPath(3, 0, 9), parse_attributes(["pmin=5", "gt=9"]))
    assert (device.last_request.code, device.last_request.opt.uri_query) == (Code.PUT, ("pmin=5", "gt=9"))
    device.answers(code=Code.DELETED)
    await devices.delete("dev", ObjectPath(9, 0))
    assert device.last_request.code is Code.DELETE
    device.answers(b"</3>,</3/0>;pmin=5,</3/0/9>", ContentFormat.LINK)
    assert [link.target for link in await devices.discover("dev", ObjectPath(3))] == ["/3", "/3/0", "/3/0/9"]
    assert (device.last_request.code, device.last_request.opt.accept) == (Code.GET, ContentFormat.LINK)


async def test_discover_with_a_depth(running: Any, device: Any) -> None:
    await register(device, "1.2", ContentFormat.SENML_CBOR)
    device.answers(b"</3>,</3/0>", ContentFormat.LINK)
    await running.server.devices.discover("dev", ObjectPath(3), depth=1)
    assert device.last_request.opt.uri_query == ("depth=1",)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("version", "content_format"), TREES)
async def test_observe_notify_and_cancel(
    running: Any, device: Any, version: str, content_format: ContentFormat, path: str
) -> None:
    base = ObjectPath.parse(path)
    payload = encode(below(base), content_format, base, CATALOGUE)
    await register(device, version, content_format)
    refuses_other_formats(device, content_format, Code.CONTENT, payload)
    await running.server.devices.observe("dev", base)
    assert device.last_request.opt.accept == content_format
    device.notify(payload, content_format)
    events = await running.events.wait(Notified, 2)
    assert set(events[1].records) == set(below(base))
    await running.server.devices.cancel_observation("dev", base)
    assert device.last_request.opt.observe == 1


@pytest.mark.parametrize(("version", "content_format"), COMPOSITES)
async def test_read_and_observe_composite(
    running: Any, device: Any, version: str, content_format: ContentFormat
) -> None:
    answer = (
        ContentFormat.SENML_JSON
        if content_format in {ContentFormat.SENML_JSON, ContentFormat.SENML_ETCH_JSON}
        else ContentFormat.SENML_CBOR
    )
    payload = encode(RECORDS, answer, ROOT, CATALOGUE)
    paths = (ObjectPath(3, 0), ObjectPath(9, 0, 2))

    async def script(request: aiocoap.Message) -> aiocoap.Message:
        response = aiocoap.Message(code=Code.CONTENT, payload=payload, content_format=answer)
        if request.opt.observe == 0:
            response.opt.observe = 1
        return response

    await register(device, version, content_format)
    device.site.script = script
    assert await running.server.devices.read_composite("dev", paths) == RECORDS
    asked = device.last_request
    assert (asked.code, asked.opt.content_format, asked.opt.accept) == (Code.FETCH, content_format, answer)
    assert parse_read_request(asked.payload, content_format) == paths
    await running.server.devices.observe_composite("dev", paths)
    assert (device.last_request.payload, device.last_request.opt.observe) == (asked.payload, 0)
    device.notify(payload, answer)
    events = await running.events.wait(Notified, 2)
    assert events[1].records == RECORDS
    await running.server.devices.cancel_composite_observation("dev", paths)
    assert (device.last_request.payload, device.last_request.opt.observe) == (asked.payload, 1)


@pytest.mark.parametrize(("version", "content_format"), COMPOSITES)
async def test_write_composite(running: Any, device: Any, version: str, content_format: ContentFormat) -> None:
    records = (Record(ObjectPath(1, 0, 1), 300), Record(ObjectPath(3, 0, 15), "UTC"))
    await register(device, version, content_format)
    device.answers(code=Code.CHANGED)
    await running.server.devices.write_composite("dev", records)
    sent = device.last_request
    assert (sent.code, sent.opt.content_format) == (Code.iPATCH, content_format)
    assert parse_write_request(sent.payload, content_format, CATALOGUE) == records


@pytest.mark.parametrize(("version", "content_format"), SENDS)
async def test_send(running: Any, device: Any, version: str, content_format: ContentFormat) -> None:
    await register(device, version, content_format)
    payload = encode(RECORDS, content_format, ROOT, CATALOGUE)
    answer = await device.ask(Code.POST, ["dp"], payload=payload, content_format=content_format)
    assert answer.code is Code.CHANGED
    (event,) = await running.events.wait(DataSent)
    assert event.records == RECORDS
