"""Devices behind a gateway are addressed by their prefix."""

import asyncio
from typing import Any

import cbor2
import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code

from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.path import ObjectPath
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
    ],
)
def test_targets_survive_being_written_down(target: Target) -> None:
    assert Target.parse(str(target), composite=target.composite) == target


async def test_composites_do_not_reach_behind(running: Any, device: Any) -> None:
    await device.register(objects=b"</25/0>")
    with pytest.raises(UsageError, match="gateway"):
        await asyncio.wait_for(running.server.devices.behind("d01").read_composite("dev", [FREE]), 1)
