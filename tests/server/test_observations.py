"""Observed paths: values arrive, survive a reboot when they are to last, end when told."""

import asyncio
from collections.abc import Sequence
from typing import Any

import cbor2
import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server import visits
from lwm2m_ml.server.errors import DeviceError, UnusableAnswer
from lwm2m_ml.server.events import Notified

FREE = ObjectPath(3, 0, 10)
TEXT = 0


def observable(device: Any, first: bytes = b"100") -> None:
    async def script(request: Message) -> Message:
        response = Message(code=Code.CONTENT, payload=first, content_format=TEXT)
        if request.opt.observe == 0:
            response.opt.observe = 1
        return response

    device.site.script = script


class Heard:
    def __init__(self) -> None:
        self.values: list[object] = []

    def __call__(self, records: Sequence[Record]) -> None:
        self.values.extend(record.value for record in records)


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - callbacks have no event to wait for
            await asyncio.sleep(0.005)


async def test_the_present_value_and_each_notification_arrive_in_order(running: Any, device: Any) -> None:
    await device.register()
    observable(device)
    heard = Heard()
    observed = await running.server.devices.observe("dev", FREE, heard)
    assert heard.values == [100]
    for value in (b"90", b"80"):
        device.notify(value, TEXT)
    await until(lambda: len(heard.values) == 3)
    assert heard.values == [100, 90, 80]
    assert observed.records == (Record(FREE, 80),)
    events = await running.events.wait(Notified, 3)
    assert [(event.endpoint, event.path, event.records[0].value) for event in events] == [
        ("dev", FREE, 100),
        ("dev", FREE, 90),
        ("dev", FREE, 80),
    ]


async def test_two_observers_share_one_observation(running: Any, device: Any) -> None:
    await device.register()
    observable(device)
    first, second = Heard(), Heard()
    await running.server.devices.observe("dev", FREE, first)
    await running.server.devices.observe("dev", FREE, second)
    assert len(device.site.requests) == 1
    device.notify(b"90", TEXT)
    await until(lambda: second.values == [100, 90])
    assert first.values == [100, 90]


async def test_observers_at_the_same_time_share_one_observation(running: Any, device: Any) -> None:
    await device.register()
    observable(device)
    heard = [Heard() for _ in range(3)]
    await asyncio.gather(*(running.server.devices.observe("dev", FREE, one) for one in heard))
    assert len(device.site.requests) == 1
    assert [one.values for one in heard] == [[100]] * 3


async def test_a_target_that_could_not_be_observed_is_not_kept(running: Any, device: Any) -> None:
    await device.register()
    device.answers(code=Code.NOT_FOUND)
    with pytest.raises(DeviceError):
        await running.server.devices.observe("dev", FREE)
    assert running.server.devices.observed("dev") == ()


async def test_a_failing_observer_hurts_nobody(running: Any, device: Any) -> None:
    await device.register()
    observable(device)

    def fail(_records: Sequence[Record]) -> None:
        raise ValueError

    heard = Heard()
    await running.server.devices.observe("dev", FREE, fail)
    await running.server.devices.observe("dev", FREE, heard)
    device.notify(b"90", TEXT)
    await until(lambda: heard.values == [100, 90])


async def test_a_refused_observation_is_an_error(running: Any, device: Any) -> None:
    await device.register()
    device.answers(code=Code.NOT_FOUND)
    with pytest.raises(DeviceError, match=r"Observe /3/0/10 with 4.04"):
        await running.server.devices.observe("dev", FREE)
    device.answers(b"1", TEXT)
    with pytest.raises(UnusableAnswer, match="does not let /3/0/10 be observed"):
        await running.server.devices.observe("dev", FREE)


async def test_an_unreadable_notification_is_skipped(running: Any, device: Any) -> None:
    await device.register()
    observable(device)
    heard = Heard()
    await running.server.devices.observe("dev", FREE, heard)
    device.notify(b"not a number", TEXT)
    device.notify(b"80", TEXT)
    await until(lambda: heard.values == [100, 80])


async def test_an_error_notification_ends_the_observation(running: Any, device: Any) -> None:
    await device.register()
    observable(device)
    observed = await running.server.devices.observe("dev", FREE)
    device.notify(b"", TEXT, Code.NOT_FOUND)
    await until(lambda: not observed.active)


async def test_cancel_tells_the_device(running: Any, device: Any) -> None:
    await device.register()
    observable(device)
    await running.server.devices.observe("dev", FREE)
    await running.server.devices.cancel_observation("dev", FREE)
    assert device.last_request.opt.observe == 1
    await running.server.devices.cancel_observation("dev", FREE)


async def test_a_lasting_observation_is_made_again_after_a_reboot_at_a_new_port(
    running: Any, device: Any, start_device: Any
) -> None:
    await device.register()
    observable(device)
    heard, brief = Heard(), Heard()
    await running.server.devices.observe("dev", FREE, heard, lasting=True)
    await running.server.devices.observe("dev", ObjectPath(3, 0, 9), brief)
    rebooted = await start_device()
    observable(rebooted, b"500")
    await rebooted.register()
    await until(lambda: heard.values == [100, 500])
    rebooted.notify(b"400", TEXT)
    await until(lambda: heard.values == [100, 500, 400])
    assert brief.values == [100]
    assert [str(one.target) for one in running.server.devices.observed("dev")] == ["/3/0/10"]


async def test_an_observation_survives_an_address_change_that_an_update_tells(
    running: Any, device: Any, start_device: Any
) -> None:
    await device.register()
    observable(device)
    heard = Heard()
    observed = await running.server.devices.observe("dev", FREE, heard)
    moved = await start_device()
    moved.location = device.location
    await moved.update()
    assert observed.active


async def test_lasting_observations_are_made_again_after_a_restart_of_the_server(
    running: Any, device: Any, start_server: Any
) -> None:
    await device.register()
    observable(device)
    await running.server.devices.observe("dev", FREE, lasting=True)
    await running.server.devices.observe("dev", ObjectPath(3, 0, 9))
    port = running.server.coap_address[1]
    await running.server.stop()
    await running.store.close()
    again = await start_server(port=port)
    (event,) = await again.events.wait(Notified)
    assert (event.path, event.records[0].value) == (FREE, 100)
    assert [str(one.target) for one in again.server.devices.observed("dev")] == ["/3/0/10"]


async def test_nothing_is_observed_again_while_nobody_would_keep_what_it_tells(
    running: Any, device: Any, start_device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "PRESSED_SECONDS", 0.005)
    await device.register()
    observable(device)
    heard = Heard()
    await running.server.devices.observe("dev", FREE, heard, lasting=True)
    running.server.keepers_away(True)
    rebooted = await start_device()
    observable(rebooted, b"500")
    await rebooted.register()
    await asyncio.sleep(0.05)
    assert rebooted.site.requests == []
    running.server.keepers_away(False)
    await until(lambda: heard.values == [100, 500])


async def test_a_cancelled_lasting_observation_is_not_made_again(running: Any, device: Any) -> None:
    await device.register()
    observable(device)
    await running.server.devices.observe("dev", FREE, lasting=True)
    await running.server.devices.cancel_observation("dev", FREE)
    assert await running.store.observations.all() == ()
    asked = len(device.site.requests)
    await device.register()
    await running.server.devices.observe("dev", FREE)
    assert len(device.site.requests) == asked + 1


async def test_an_observation_that_could_not_be_made_again_is_tried_at_the_next_update(
    running: Any, device: Any, start_device: Any
) -> None:
    await device.register()
    observable(device)
    heard = Heard()
    await running.server.devices.observe("dev", FREE, heard, lasting=True)
    rebooted = await start_device()
    await rebooted.register()
    await until(lambda: len(rebooted.site.requests) == 1)
    observable(rebooted, b"300")
    await rebooted.update()
    await until(lambda: heard.values == [100, 300])


async def test_composite_observations_tell_all_paths_at_once(running: Any, device: Any) -> None:
    async def script(request: Message) -> Message:
        response = Message(code=Code.CONTENT, payload=cbor2.dumps([{0: "/3/0/9", 2: 80}]), content_format=112)
        if request.opt.observe == 0:
            response.opt.observe = 1
        return response

    await device.register()
    device.site.script = script
    heard = Heard()
    paths = [ObjectPath(3, 0, 9), FREE]
    await running.server.devices.observe_composite("dev", paths, heard)
    assert device.last_request.code is Code.FETCH
    assert heard.values == [80]
    device.notify(cbor2.dumps([{0: "/3/0/9", 2: 79}, {0: "/3/0/10", 2: 64}]), 112)
    await until(lambda: heard.values == [80, 79, 64])
    await running.server.devices.cancel_composite_observation("dev", paths)
    assert device.last_request.opt.observe == 1
    assert device.last_request.payload == device.site.requests[0].payload
