"""Devices behind a gateway are addressed by their prefix."""

from typing import Any

import cbor2
import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code

from lwm2m_ml.lwm2m.codecs import decode
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.errors import UnusableAnswer
from lwm2m_ml.server.events import Notified
from lwm2m_ml.server.observed import Target

FREE = ObjectPath(3, 0, 10)


def gateway_objects(prefix: str) -> bytes:
    payload: bytes = cbor2.dumps(
        [{-2: "/25/0/", 0: "0", 3: "meter-1"}, {0: "1", 3: prefix}, {0: "3", 3: "</3/0>,</3303/0>;ver=1.1"}]
    )
    return payload


async def test_object_25_tells_the_devices(running: Any, device: Any) -> None:
    await device.register(objects=b"</25/0>")
    device.answers(gateway_objects("d01"), 112)
    (behind,) = await running.server.devices.end_devices("dev")
    assert (behind.device_id, behind.prefix) == ("meter-1", "d01")
    assert behind.object_list.versions == {3: "1.1", 3303: "1.1"}


async def test_an_ambiguous_prefix_is_an_unusable_answer(running: Any, device: Any) -> None:
    await device.register(objects=b"</25/0>")
    device.answers(gateway_objects("3"), 112)
    with pytest.raises(UnusableAnswer, match="prefix"):
        await running.server.devices.end_devices("dev")


async def test_operations_go_behind_the_prefix_in_formats_without_names(running: Any, device: Any) -> None:
    await device.register(objects=b"</25/0>")
    behind = running.server.devices.behind("d01")
    device.answers(bytes.fromhex("c10a2a"), 11542)
    assert await behind.read("dev", FREE) == (Record(FREE, 42),)
    assert device.last_request.opt.uri_path == ("d01", "3", "0", "10")
    assert device.last_request.opt.accept in {0, 11542}
    device.answers(code=Code.CHANGED)
    await behind.write("dev", ObjectPath(3, 0, 14), "+01:00")
    await behind.execute("dev", ObjectPath(3, 0, 4))
    paths = [request.opt.uri_path for request in device.site.requests[1:]]
    assert paths == [("d01", "3", "0", "14"), ("d01", "3", "0", "4")]


async def test_an_observation_behind_a_gateway_is_its_own(running: Any, device: Any) -> None:
    async def script(request: Message) -> Message:
        response = Message(code=Code.CONTENT, payload=b"7", content_format=0)
        response.opt.observe = 1
        return response

    await device.register(objects=b"</25/0>")
    device.site.script = script
    await running.server.devices.observe("dev", FREE)
    await running.server.devices.behind("d01").observe("dev", FREE, lasting=True)
    events = await running.events.wait(Notified, 2)
    assert [event.prefix for event in events] == ["", "d01"]
    assert [str(one.target) for one in running.server.devices.observed("dev")] == ["/3/0/10", "/d01/3/0/10"]
    assert [record.paths for record in await running.store.observations.all()] == ["/d01/3/0/10"]


@pytest.mark.parametrize(
    "target",
    [
        Target((FREE,)),
        Target((FREE,), prefix="d01"),
        Target((FREE, ObjectPath(1)), composite=True),
        Target((FREE,), composite=True),
        Target((FREE, ObjectPath(1)), composite=True, prefix="d01"),
    ],
)
def test_targets_survive_being_written_down(target: Target) -> None:
    assert Target.parse(str(target), composite=target.composite) == target


SEVERAL = [FREE, ObjectPath(3303, 0, 5700)]
ANSWER = cbor2.dumps([{-2: "/d01/3", 0: "/0/10", 2: 42}, {-2: "/d01/3303/0/", 0: "5700", 2: 21.5}])
VALUES = (Record(FREE, 42), Record(ObjectPath(3303, 0, 5700), 21.5))


async def test_composites_name_the_device_in_their_payload(running: Any, device: Any) -> None:
    await device.register(objects=b"</25/0>")
    behind = running.server.devices.behind("d01")
    device.answers(ANSWER, 112)
    assert await behind.read_composite("dev", SEVERAL) == VALUES
    asked = device.last_request
    assert (asked.code, asked.opt.uri_path) == (Code.FETCH, ())
    assert [entry[0] for entry in cbor2.loads(asked.payload)] == ["/d01/3/0/10", "/d01/3303/0/5700"]
    device.answers(code=Code.CHANGED)
    await behind.write_composite("dev", VALUES)
    asked = device.last_request
    assert (asked.code, asked.opt.uri_path) == (Code.iPATCH, ())
    assert decode(asked.payload, 112, ROOT, Catalogue(), prefix="d01") == VALUES
    assert all(name.startswith("/d01/") for entry in cbor2.loads(asked.payload) if (name := entry.get(-2, entry[0])))


async def test_a_composite_observation_behind_a_gateway_is_its_own(running: Any, device: Any) -> None:
    async def script(_request: Message) -> Message:
        response = Message(code=Code.CONTENT, payload=ANSWER, content_format=112)
        response.opt.observe = 1
        return response

    await device.register(objects=b"</25/0>")
    device.site.script = script
    behind = running.server.devices.behind("d01")
    await behind.observe_composite("dev", SEVERAL, lasting=True)
    device.notify(ANSWER, 112)
    events = await running.events.wait(Notified, 2)
    assert [(event.prefix, event.records) for event in events] == [("d01", VALUES)] * 2
    assert [record.paths for record in await running.store.observations.all()] == ["/d01/3/0/10 /d01/3303/0/5700"]
    await behind.cancel_composite_observation("dev", SEVERAL)
    assert running.server.devices.observed("dev") == ()


async def test_a_gateway_may_put_the_prefix_into_the_names_of_any_answer(running: Any, device: Any) -> None:
    await device.register(objects=b"</25/0>")
    device.answers(cbor2.dumps([{-2: "/d01/3/0/", 0: "10", 2: 42}]), 112)
    assert await running.server.devices.behind("d01").read("dev", ObjectPath(3, 0)) == (Record(FREE, 42),)
