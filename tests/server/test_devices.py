"""Operations on a device: what goes out, what comes back, what goes wrong."""

import asyncio
import gc
from contextlib import suppress
from typing import Any

import aiocoap
import cbor2
import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.coap.errors import RequestTimeout
from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.attributes import AttributesError, parse_attributes
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.server.errors import (
    DeviceBusy,
    DeviceError,
    DeviceTimeout,
    RequestInterrupted,
    UnknownDevice,
    UnusableAnswer,
)
from lwm2m_ml.server.settings import ServerLimits

MANUFACTURER = ObjectPath(3, 0, 0)
FREE = ObjectPath(3, 0, 10)
SENML_CBOR, SENML_JSON, TLV = 112, 110, 11542
ACME = cbor2.dumps([{-2: "/3/0/0", 3: "ACME"}])


def request_path(request: aiocoap.Message) -> str:
    return "/" + "/".join(request.opt.uri_path)


async def test_read_asks_in_the_best_format_the_device_told(running: Any, device: Any) -> None:
    await device.register()
    device.answers(ACME, SENML_CBOR)
    assert await running.server.devices.read("dev", MANUFACTURER) == (Record(MANUFACTURER, "ACME"),)
    assert request_path(device.last_request) == "/3/0/0"
    assert device.last_request.opt.accept == SENML_CBOR


@pytest.mark.parametrize(
    ("version", "objects", "accept"),
    [
        ("1.0", b"</3/0>", TLV),
        ("1.1", b'</>;ct="110";rt="oma.lwm2m",</3/0>', SENML_JSON),
        ("1.1", b"</3/0>", SENML_CBOR),
        ("1.2", b'</>;ct="11544";rt="oma.lwm2m",</3/0>', 11544),
        ("1.1", b'</>;ct="0";rt="oma.lwm2m",</3/0>', SENML_CBOR),
    ],
)
async def test_the_format_asked_for_is_one_the_device_can_do(
    running: Any, device: Any, version: str, objects: bytes, accept: int | None
) -> None:
    await device.register(version=version, objects=objects)
    device.answers(b"ACME", 0)
    await running.server.devices.read("dev", MANUFACTURER)
    assert device.last_request.opt.accept == accept


async def test_an_answer_is_read_by_its_own_format(running: Any, device: Any) -> None:
    await device.register()
    device.answers(b"42", 0)
    assert await running.server.devices.read("dev", FREE) == (Record(FREE, 42),)


@pytest.mark.parametrize("level", range(1, 5))
async def test_read_works_on_every_level(running: Any, device: Any, level: int) -> None:
    path = ObjectPath(3, 0, 7, 1).ancestor(level)
    value = Record(ObjectPath(3, 0, 7, 1), 3300)
    await device.register()
    device.answers(cbor2.dumps([{0: "/3/0/7/1", 2: 3300}]), SENML_CBOR)
    assert await running.server.devices.read("dev", path) == (value,)
    assert request_path(device.last_request) == str(path)


async def test_an_answer_in_blocks_is_put_together(running: Any, device: Any) -> None:
    await device.register()
    text = "x" * 5000
    device.answers(text.encode(), 0)
    assert await running.server.devices.read("dev", MANUFACTURER) == (Record(MANUFACTURER, text),)


@pytest.mark.parametrize("code", [Code.NOT_ACCEPTABLE, Code.INTERNAL_SERVER_ERROR])
async def test_a_format_the_device_cannot_do_is_not_tried_again(running: Any, device: Any, code: Code) -> None:
    async def only_json(request: aiocoap.Message) -> aiocoap.Message:
        if request.opt.accept != SENML_JSON:
            return aiocoap.Message(code=code)
        return aiocoap.Message(code=Code.CONTENT, payload=b'[{"bn":"/3/0/0","vs":"ACME"}]', content_format=SENML_JSON)

    await device.register()
    device.site.script = only_json
    for _ in range(2):
        assert await running.server.devices.read("dev", MANUFACTURER) == (Record(MANUFACTURER, "ACME"),)
    assert [request.opt.accept for request in device.site.requests] == [SENML_CBOR, SENML_JSON, SENML_JSON]


async def test_a_format_that_is_met_with_silence_is_not_tried_again(running: Any, device: Any) -> None:
    async def silent_on_cbor(request: aiocoap.Message) -> aiocoap.Message | None:
        if request.opt.accept == SENML_CBOR:
            return None
        return aiocoap.Message(code=Code.CONTENT, payload=b'[{"bn":"/3/0/0","vs":"ACME"}]', content_format=SENML_JSON)

    await device.register()
    device.site.script = silent_on_cbor
    for _ in range(2):
        assert await running.server.devices.read("dev", MANUFACTURER, within=1.0) == (Record(MANUFACTURER, "ACME"),)
    assert [request.opt.accept for request in device.site.requests] == [SENML_CBOR, SENML_JSON, SENML_JSON]


async def test_an_error_code_is_a_typed_error_with_the_code_and_the_diagnostic(running: Any, device: Any) -> None:
    await device.register()
    device.answers(b"no such thing", code=Code.NOT_FOUND)
    with pytest.raises(DeviceError, match=r"dev answered Read /3/0/0 with 4.04 not found \(no such thing\)") as caught:
        await running.server.devices.read("dev", MANUFACTURER)
    assert caught.value.code == ResponseCode.NOT_FOUND
    assert len(device.site.requests) == 1


async def test_a_device_that_acknowledges_and_never_answers_times_out_in_bounded_time(
    running: Any, device: Any
) -> None:
    async def never(_request: aiocoap.Message) -> None:
        return None

    await device.register()
    device.site.script = never
    async with asyncio.timeout(3):
        with pytest.raises(DeviceTimeout, match="dev did not answer Read /3/0/0"):
            await running.server.devices.read("dev", MANUFACTURER, within=0.6)


async def test_a_device_whose_port_is_closed_is_a_timeout_too(running: Any, device: Any) -> None:
    await device.register()
    await device.endpoint.close()
    with pytest.raises(DeviceTimeout):
        await running.server.devices.read("dev", MANUFACTURER, within=0.5)


async def test_an_unknown_device_is_named(running: Any) -> None:
    with pytest.raises(UnknownDevice, match="'nobody'"):
        await running.server.devices.read("nobody", MANUFACTURER)


async def test_rubbish_in_an_answer_is_an_error_of_its_own(running: Any, device: Any) -> None:
    await device.register()
    device.answers(b"\xff\xff", SENML_CBOR)
    with pytest.raises(UnusableAnswer, match="dev answered about /3/0/0"):
        await running.server.devices.read("dev", MANUFACTURER)


async def test_write_of_a_resource_is_a_put(running: Any, device: Any) -> None:
    await device.register(objects=b"</1/0>,</9/0>")
    device.answers(code=Code.CHANGED)
    await running.server.devices.write("dev", ObjectPath(9, 0, 3), "coap://x/y")
    assert (device.last_request.code, device.last_request.payload) == (Code.PUT, b"coap://x/y")
    assert device.last_request.opt.content_format == 0


async def test_write_in_a_format_the_device_told_when_it_told_no_text(running: Any, device: Any) -> None:
    await device.register()
    device.answers(code=Code.CHANGED)
    await running.server.devices.write("dev", ObjectPath(1, 0, 1), 300)
    assert device.last_request.opt.content_format == SENML_CBOR
    assert cbor2.loads(device.last_request.payload)[0][2] == 300


async def test_partial_write_of_an_instance_is_a_post_with_the_records(running: Any, device: Any) -> None:
    await device.register(version="1.0", objects=b"</1/0>")
    device.answers(code=Code.CHANGED)
    records = (Record(ObjectPath(1, 0, 1), 60), Record(ObjectPath(1, 0, 2), 5))
    await running.server.devices.write("dev", ObjectPath(1, 0), records, replace=False)
    assert device.last_request.code is Code.POST
    assert device.last_request.opt.content_format == TLV
    assert device.last_request.payload == bytes.fromhex("c1013cc10205")


async def test_a_refused_format_of_a_write_is_replaced_by_the_next(running: Any, device: Any) -> None:
    async def only_json(request: aiocoap.Message) -> aiocoap.Message:
        good = request.opt.content_format == SENML_JSON
        return aiocoap.Message(code=Code.CHANGED if good else Code.UNSUPPORTED_CONTENT_FORMAT)

    await device.register()
    device.site.script = only_json
    await running.server.devices.write("dev", ObjectPath(1, 0, 1), 300)
    assert [request.opt.content_format for request in device.site.requests] == [SENML_CBOR, SENML_JSON]


async def test_a_write_that_is_not_answered_is_not_repeated(running: Any, device: Any) -> None:
    async def never(_request: aiocoap.Message) -> None:
        return None

    await device.register()
    device.site.script = never
    with pytest.raises(DeviceTimeout):
        await running.server.devices.write("dev", ObjectPath(1, 0, 1), 300, within=0.4)
    assert len(device.site.requests) == 1


async def test_a_large_write_goes_in_blocks(running: Any, device: Any) -> None:
    await device.register(objects=b"</5/0>")
    device.answers(code=Code.CHANGED)
    content = bytes(range(256)) * 20
    await running.server.devices.write("dev", ObjectPath(5, 0, 0), content)
    assert device.last_request.payload == content
    assert device.last_request.opt.content_format == 42


async def test_execute_posts_its_arguments(running: Any, device: Any) -> None:
    await device.register()
    device.answers(code=Code.CHANGED)
    await running.server.devices.execute("dev", ObjectPath(9, 0, 6), "0='1'")
    assert (device.last_request.code, device.last_request.payload) == (Code.POST, b"0='1'")
    await running.server.devices.execute("dev", ObjectPath(3, 0, 4))
    assert (device.last_request.payload, device.last_request.opt.content_format) == (b"", None)


async def test_write_attributes_are_parameters_of_a_put_without_payload(running: Any, device: Any) -> None:
    await device.register()
    device.answers(code=Code.CHANGED)
    await running.server.devices.write_attributes("dev", FREE, parse_attributes(["pmin=1", "gt=2.5", "st"]))
    assert device.last_request.code is Code.PUT
    assert device.last_request.opt.uri_query == ("pmin=1", "gt=2.5", "st")
    assert device.last_request.payload == b""


async def test_an_attribute_that_does_not_fit_its_path_is_never_sent(running: Any, device: Any) -> None:
    await device.register()
    with pytest.raises(AttributesError, match="gt cannot be set on /3"):
        await running.server.devices.write_attributes("dev", ObjectPath(3), parse_attributes(["gt=1"]))
    with pytest.raises(AttributesError, match=r"con needs LwM2M 1.2"):
        await running.server.devices.write_attributes("dev", FREE, parse_attributes(["con=1"]))
    assert device.site.requests == []


async def test_discover_returns_links(running: Any, device: Any) -> None:
    await device.register()
    device.answers(b"</3>;ver=1.1,</3/0>;pmin=10,</3/0/1>", 40)
    links = await running.server.devices.discover("dev", ObjectPath(3))
    assert [link.target for link in links] == ["/3", "/3/0", "/3/0/1"]
    assert links[1].attributes == {"pmin": "10"}
    assert device.last_request.opt.accept == 40


async def test_create_returns_the_path_the_device_chose(running: Any, device: Any) -> None:
    async def created(_request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(code=Code.CREATED, location_path=("9", "4"))

    await device.register()
    device.site.script = created
    assert await running.server.devices.create("dev", ObjectPath(9)) == ObjectPath(9, 4)
    assert device.last_request.code is Code.POST


async def test_create_knows_the_path_it_asked_for(running: Any, device: Any) -> None:
    await device.register()
    device.answers(code=Code.CREATED)
    records = (Record(ObjectPath(9, 7, 3), "coap://x"),)
    assert await running.server.devices.create("dev", ObjectPath(9), records) == ObjectPath(9, 7)


async def test_create_can_leave_the_number_of_a_filled_instance_to_the_device(running: Any, device: Any) -> None:
    async def created(_request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(code=Code.CREATED, location_path=("9", "4"))

    await device.register()
    device.site.script = created
    records = (Record(ObjectPath(9, 0, 3), "x"),)
    made = await running.server.devices.create("dev", ObjectPath(9), records, numbered=False)
    assert made == ObjectPath(9, 4)
    assert device.last_request.opt.content_format == TLV
    assert device.last_request.payload == bytes.fromhex("c10378")


async def test_create_is_of_one_instance_of_the_object(running: Any, device: Any) -> None:
    await device.register()
    for records in (
        (Record(ObjectPath(9, 0, 3), "x"), Record(ObjectPath(9, 1, 3), "x")),
        (Record(ObjectPath(5, 0, 1), "x"),),
    ):
        with pytest.raises(UsageError):
            await running.server.devices.create("dev", ObjectPath(9), records)


async def test_delete_deletes(running: Any, device: Any) -> None:
    await device.register()
    device.answers(code=Code.DELETED)
    await running.server.devices.delete("dev", ObjectPath(9, 4))
    assert (device.last_request.code, request_path(device.last_request)) == (Code.DELETE, "/9/4")


async def test_read_composite_fetches_several_paths_at_once(running: Any, device: Any) -> None:
    await device.register()
    device.answers(cbor2.dumps([{0: "/3/0/0", 3: "ACME"}, {0: "/1/0/1", 2: 60}]), SENML_CBOR)
    records = await running.server.devices.read_composite("dev", [MANUFACTURER, ObjectPath(1, 0, 1)])
    assert records == (Record(MANUFACTURER, "ACME"), Record(ObjectPath(1, 0, 1), 60))
    assert device.last_request.code is Code.FETCH
    assert device.last_request.opt.uri_path == ()
    asked = cbor2.loads(device.last_request.payload)
    assert [entry.get(0, entry.get(-2)) for entry in asked] == ["/3/0/0", "/1/0/1"]


async def test_write_composite_patches_at_the_root(running: Any, device: Any) -> None:
    await device.register()
    device.answers(code=Code.CHANGED)
    await running.server.devices.write_composite("dev", [Record(ObjectPath(1, 0, 1), 60)])
    assert device.last_request.code is Code.iPATCH
    assert device.last_request.opt.uri_path == ()


async def test_a_root_path_of_the_device_is_kept(running: Any, device: Any) -> None:
    await device.register(objects=b'</lwm2m>;rt="oma.lwm2m",</lwm2m/3/0>')
    device.answers(b"ACME", 0)
    await running.server.devices.read("dev", MANUFACTURER)
    assert request_path(device.last_request) == "/lwm2m/3/0/0"


@pytest.mark.parametrize(
    ("operation", "path"),
    [("write", ObjectPath(3)), ("execute", ObjectPath(3, 0)), ("create", ObjectPath(3, 0))],
)
async def test_a_path_that_an_operation_cannot_have_is_a_usage_error(
    running: Any, device: Any, operation: str, path: ObjectPath
) -> None:
    await device.register()
    arguments = ["x"] if operation == "write" else []
    with pytest.raises(UsageError):
        await getattr(running.server.devices, operation)("dev", path, *arguments)


async def test_operations_on_one_device_are_done_in_order_one_at_a_time(running: Any, device: Any) -> None:
    under_way = 0

    async def slow(request: aiocoap.Message) -> aiocoap.Message:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await asyncio.sleep(0.01)
        under_way -= 1
        return aiocoap.Message(code=Code.CONTENT, payload=b"1", content_format=0)

    await device.register()
    device.site.script = slow
    await asyncio.gather(*(running.server.devices.read("dev", ObjectPath(3, 0, number)) for number in range(8)))
    assert [request_path(request) for request in device.site.requests] == [f"/3/0/{number}" for number in range(8)]


async def test_one_silent_device_holds_up_no_other(running: Any, device: Any, start_device: Any) -> None:
    async def never(_request: aiocoap.Message) -> None:
        return None

    await device.register("silent")
    device.site.script = never
    other = await start_device()
    await other.register("other")
    other.answers(b"1", 0)
    stuck = asyncio.create_task(running.server.devices.read("silent", FREE))
    async with asyncio.timeout(2):
        await running.server.devices.read("other", FREE)
    stuck.cancel()
    await asyncio.wait((stuck,))


async def test_a_registration_interrupts_what_was_asked_before(running: Any, device: Any) -> None:
    asked = asyncio.Event()

    async def never(_request: aiocoap.Message) -> None:
        asked.set()

    await device.register()
    device.site.script = never
    reading = asyncio.create_task(running.server.devices.read("dev", FREE))
    await asyncio.wait_for(asked.wait(), 5)
    await device.register()
    with pytest.raises(RequestInterrupted, match="registered anew"):
        await asyncio.wait_for(reading, 5)
    device.answers(b"1", 0)
    assert await running.server.devices.read("dev", FREE) == (Record(FREE, 1),)


async def test_what_is_asked_while_a_registration_is_written_goes_on(running: Any, device: Any) -> None:
    answering = asyncio.Event()

    async def slow(_request: aiocoap.Message) -> aiocoap.Message:
        await answering.wait()
        return aiocoap.Message(code=aiocoap.CONTENT, payload=b"1", content_format=0)

    device.site.script = slow
    registering = asyncio.create_task(device.register())
    async with asyncio.timeout(10):
        while running.server.registry.find("dev") is None:  # noqa: ASYNC110 - it is known before it is written
            await asyncio.sleep(0)
        reading = asyncio.create_task(running.server.devices.read("dev", FREE))
        await registering
        answering.set()
        assert await reading == (Record(FREE, 1),)


async def test_too_many_waiting_operations_are_refused(start_server: Any, start_device: Any) -> None:
    running = await start_server(ServerLimits(waiting_per_device=2))
    device = await start_device(running.server)

    async def never(_request: aiocoap.Message) -> None:
        return None

    await device.register()
    device.site.script = never
    waiting = [asyncio.create_task(running.server.devices.read("dev", FREE)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(DeviceBusy, match="3 operations"):
        await running.server.devices.read("dev", FREE)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


async def test_what_a_device_refuses_leaves_nothing_for_the_garbage_collector(running: Any, device: Any) -> None:
    def errors() -> int:
        return sum(isinstance(one, DeviceError) for one in gc.get_objects())

    await device.register()
    gc.collect()
    before = errors()
    gc.disable()
    try:
        for _ in range(5):
            with suppress(DeviceError):
                await running.server.devices.read("dev", ObjectPath(3, 0))
        assert errors() <= before
    finally:
        gc.enable()


async def test_silence_leaves_nothing_for_the_garbage_collector(start_server: Any, start_device: Any) -> None:
    running = await start_server(ServerLimits(request_timeout=0.05))
    device = await start_device(running.server)

    async def never(_request: aiocoap.Message) -> None:
        return None

    def errors() -> int:
        return sum(isinstance(one, DeviceTimeout | RequestTimeout) for one in gc.get_objects())

    async def ask(times: int) -> None:
        for _ in range(times):
            with suppress(DeviceTimeout):
                await running.server.devices.read("dev", ObjectPath(3, 0))

    await device.register()
    device.site.script = never
    gc.collect()
    gc.disable()
    try:
        await ask(1)
        before = errors()  # the newest may still be at hand
        await ask(5)
        assert errors() <= before
    finally:
        gc.enable()
