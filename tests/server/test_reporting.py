"""Notifications as devices really send them: timestamped, out of order, about other paths, confirmable."""

import asyncio
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code
from aiocoap.numbers.types import Type

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.events import DataSent, Notified
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.errors import StoreOverloaded

FREE = ObjectPath(3, 0, 10)
DEVICE = ObjectPath(3, 0)
TEXT, SENML_CBOR, SENML_JSON = 0, 112, 110


def observable(device: Any, first: bytes = b"100", content_format: int = TEXT) -> None:
    async def script(request: Message) -> Message:
        response = Message(code=Code.CONTENT, payload=first, content_format=content_format)
        if request.opt.observe == 0:
            response.opt.observe = 1
        return response

    device.site.script = script


async def test_timestamps_of_notifications_are_kept(running: Any, device: Any) -> None:
    await device.register()
    observable(device, cbor2.dumps([{0: "/3/0/10", 2: 100}]), SENML_CBOR)
    await running.server.devices.observe("dev", DEVICE)
    series = [{-2: "/3/0/10", -3: 1_700_000_000.0, 6: 0, 2: 1}, {6: 10, 2: 2}, {6: 20.5, 2: 3}]
    device.notify(cbor2.dumps(series), SENML_CBOR)
    events = await running.events.wait(Notified, 2)
    assert events[1].records == (
        Record(FREE, 1, 1_700_000_000.0),
        Record(FREE, 2, 1_700_000_010.0),
        Record(FREE, 3, 1_700_000_020.5),
    )


async def test_an_older_notification_does_not_replace_a_newer_one(running: Any, device: Any) -> None:
    await device.register()
    observable(device)
    observed = await running.server.devices.observe("dev", FREE)
    device.notified = 8
    device.notify(b"90", TEXT)
    await running.events.wait(Notified, 2)
    device.notified = 3
    device.notify(b"stale", TEXT)
    device.notified = 10
    device.notify(b"80", TEXT)
    events = await running.events.wait(Notified, 3)
    assert [event.records[0].value for event in events] == [100, 90, 80]
    assert observed.records == (Record(FREE, 80),)


async def test_a_notification_about_another_path_is_skipped_and_the_observation_goes_on(
    running: Any, device: Any
) -> None:
    await device.register()
    observable(device)
    observed = await running.server.devices.observe("dev", FREE)
    device.notify(cbor2.dumps([{0: "/5/0/3", 2: 1}]), SENML_CBOR)
    device.notify(b"80", TEXT)
    events = await running.events.wait(Notified, 2)
    assert events[1].records == (Record(FREE, 80),)
    assert observed.active


async def test_a_notification_in_another_format_than_the_first_is_read(running: Any, device: Any) -> None:
    await device.register()
    observable(device)
    await running.server.devices.observe("dev", FREE)
    device.notify(b'[{"n":"/3/0/10","v":70}]', SENML_JSON)
    device.notify(cbor2.dumps([{0: "/3/0/10", 2: 60}]), SENML_CBOR)
    events = await running.events.wait(Notified, 3)
    assert [event.records[0].value for event in events] == [100, 70, 60]


@pytest.mark.parametrize("mtype", [Type.CON, Type.NON])
async def test_confirmable_and_other_notifications_arrive(running: Any, device: Any, mtype: Type) -> None:
    await device.register()
    observable(device)
    await running.server.devices.observe("dev", FREE)
    (pipe,) = device.site.pipes
    response = Message(code=Code.CONTENT, payload=b"90", content_format=TEXT, _mtype=mtype)
    response.opt.observe = 5
    pipe.add_response(response, is_last=False)
    events = await running.events.wait(Notified, 2)
    assert events[1].records == (Record(FREE, 90),)


async def notify_confirmably(device: Any, payload: bytes, sequence: int) -> None:
    (pipe,) = device.site.pipes
    response = Message(code=Code.CONTENT, payload=payload, content_format=TEXT, _mtype=Type.CON)
    response.opt.observe = sequence
    pipe.add_response(response, is_last=False)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the message travels through a socket
            await asyncio.sleep(0.001)


async def test_a_confirmable_notification_is_acknowledged_when_it_is_on_disk(running: Any, device: Any) -> None:
    commits: list[Commit] = []

    def keep(_event: object) -> Commit:
        commits.append(Commit())
        return commits[-1]

    await device.register()
    observable(device)
    await running.server.devices.observe("dev", FREE)
    running.server.add_keeper(keep)
    remote = device.endpoint.remote(*running.server.coap_address)
    await notify_confirmably(device, b"90", 5)
    await until(lambda: commits)
    await asyncio.sleep(0.02)
    assert remote.in_flight == 1
    assert len(running.events.of(Notified)) == 1
    commits[0].settle()
    await until(lambda: remote.in_flight == 0)
    assert len(await running.events.wait(Notified, 2)) == 2


async def test_a_notification_that_cannot_be_kept_is_not_acknowledged_but_heard_again(
    running: Any, device: Any
) -> None:
    attempts: list[object] = []

    def keep(event: object) -> None:
        attempts.append(event)
        if len(attempts) == 1:
            raise StoreOverloaded(500_000)

    await device.register()
    observable(device)
    await running.server.devices.observe("dev", FREE)
    running.server.add_keeper(keep)
    await notify_confirmably(device, b"90", 5)
    events = await running.events.wait(Notified, 2)
    assert len(attempts) == 2
    assert events[1].records == (Record(FREE, 90),)


async def test_cancelling_a_composite_observation_tells_the_device_the_same_paths(running: Any, device: Any) -> None:
    await device.register()
    observable(device, cbor2.dumps([{0: "/3/0/10", 2: 100}]), SENML_CBOR)
    paths = [FREE, ObjectPath(3, 0, 9)]
    await running.server.devices.observe_composite("dev", paths)
    made = device.last_request
    await running.server.devices.cancel_composite_observation("dev", paths)
    cancelled = device.last_request
    assert (made.code, cancelled.code) == (Code.FETCH, Code.FETCH)
    assert (made.opt.observe, cancelled.opt.observe) == (0, 1)
    assert made.payload == cancelled.payload


async def test_sends_and_notifications_do_not_mix(running: Any, device: Any) -> None:
    await device.register()
    observable(device)
    await running.server.devices.observe("dev", FREE)
    payload = cbor2.dumps([{0: "/3/0/10", 2: 5}])
    assert (await device.ask(Code.POST, ["dp"], payload=payload, content_format=SENML_CBOR)).code is Code.CHANGED
    (sent,) = await running.events.wait(DataSent)
    assert sent.records == (Record(FREE, 5),)
    await asyncio.sleep(0)
    assert len(running.events.of(Notified)) == 1
