"""The durable queue: order, waking, expiry, cancelling, restarts."""

import asyncio
from typing import Any

import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code

from lwm2m_ml.errors import ConflictError, NotFoundError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.errors import UnknownDevice
from lwm2m_ml.server.events import RequestEnded
from lwm2m_ml.server.operations import Operation, OperationName, records_of
from lwm2m_ml.server.settings import ServerLimits

FREE = ObjectPath(3, 0, 10)
READ = Operation(OperationName.READ, (FREE,))
EXECUTE = Operation(OperationName.EXECUTE, (ObjectPath(3, 0, 4),))
SLEEPY = ServerLimits(request_timeout=1.0, lifetime_grace=5.0, awake_time=0.05)


@pytest.fixture
async def running(start_server: Any) -> Any:
    return await start_server(SLEEPY)


async def fall_asleep(running: Any) -> None:
    async with asyncio.timeout(5):
        while running.server.awake("dev"):  # noqa: ASYNC110 - only time makes it sleep
            await asyncio.sleep(0.01)


async def test_a_device_that_is_awake_is_asked_at_once(running: Any, device: Any) -> None:
    await device.register()
    device.answers(b"42", 0)
    number = await running.server.requests.submit("dev", READ)
    (event,) = await running.events.wait(RequestEnded)
    assert event == RequestEnded("dev", number, "done")
    record = await running.server.requests.get(number)
    assert record.outcome is not None
    assert records_of(record.outcome) == (Record(FREE, 42),)


async def test_requests_to_a_sleeping_device_wait_for_its_update_and_keep_their_order(
    running: Any, device: Any
) -> None:
    await device.register("dev", "Q")
    device.answers(b"1", 0)
    await fall_asleep(running)
    paths = [ObjectPath(3, 0, resource) for resource in (9, 10, 13)]
    numbers = [await running.server.requests.submit("dev", Operation(OperationName.READ, (path,))) for path in paths]
    assert numbers == sorted(numbers)
    assert device.site.requests == []
    assert {record.state for record in await running.server.requests.of("dev")} == {"waiting"}
    await device.update()
    await running.events.wait(RequestEnded, 3)
    assert ["/" + "/".join(request.opt.uri_path) for request in device.site.requests] == [str(path) for path in paths]


async def test_a_direct_operation_waits_for_the_device_to_wake_up(running: Any, device: Any) -> None:
    await device.register("dev", "Q")
    device.answers(b"7", 0)
    await fall_asleep(running)
    reading = asyncio.create_task(running.server.devices.read("dev", FREE))
    await asyncio.sleep(0.02)
    assert device.site.requests == []
    await device.update()
    assert await asyncio.wait_for(reading, 5) == (Record(FREE, 7),)


async def test_who_waits_for_a_sleeping_device_that_leaves_is_told(running: Any, device: Any) -> None:
    await device.register("dev", "Q")
    await fall_asleep(running)
    reading = asyncio.create_task(running.server.devices.read("dev", FREE))
    await asyncio.sleep(0)
    await device.deregister()
    with pytest.raises(UnknownDevice):
        await asyncio.wait_for(reading, 5)


async def test_a_request_that_is_not_sent_in_time_expires(running: Any, device: Any) -> None:
    await device.register("dev", "Q")
    await fall_asleep(running)
    number = await running.server.requests.submit("dev", READ, lifetime=0.05)
    assert await running.events.wait(RequestEnded) == [RequestEnded("dev", number, "expired")]
    assert device.site.requests == []


async def test_a_waiting_request_can_be_cancelled_once(running: Any, device: Any) -> None:
    await device.register("dev", "Q")
    device.answers(b"1", 0)
    await fall_asleep(running)
    cancelled = await running.server.requests.submit("dev", READ)
    kept = await running.server.requests.submit("dev", READ)
    await running.server.requests.cancel(cancelled)
    with pytest.raises(ConflictError, match="cancelled"):
        await running.server.requests.cancel(cancelled)
    with pytest.raises(NotFoundError):
        await running.server.requests.cancel(999)
    await device.update()
    await running.events.wait(RequestEnded, 2)
    assert len(device.site.requests) == 1
    assert (await running.server.requests.get(kept)).state == "done"


async def test_an_error_of_the_device_is_the_outcome(running: Any, device: Any) -> None:
    await device.register()
    device.answers(code=Code.METHOD_NOT_ALLOWED)
    number = await running.server.requests.submit("dev", EXECUTE)
    await running.events.wait(RequestEnded)
    record = await running.server.requests.get(number)
    assert (record.state, record.outcome["code"]) == ("failed", Code.METHOD_NOT_ALLOWED)


async def test_an_execute_that_is_not_answered_is_unknown_and_never_repeated(running: Any, device: Any) -> None:
    async def never(_request: Message) -> None:
        return None

    await device.register("dev", "Q")
    device.site.script = never
    number = await running.server.requests.submit("dev", EXECUTE)
    assert await running.events.wait(RequestEnded) == [RequestEnded("dev", number, "unknown")]
    await device.update()
    assert len(device.site.requests) == 1


@pytest.mark.parametrize("queue_mode", [True, False])
async def test_a_read_that_is_not_answered_is_asked_again_when_the_device_is_heard(
    running: Any, device: Any, queue_mode: bool
) -> None:
    async def never(_request: Message) -> None:
        return None

    await device.register("dev", *(["Q"] if queue_mode else []))
    device.site.script = never
    number = await running.server.requests.submit("dev", READ)
    for state in ("sent", "waiting"):
        async with asyncio.timeout(20):
            while (await running.server.requests.get(number)).state != state:
                await running.store.writer.flush()
    device.answers(b"5", 0)
    await device.update()
    assert await running.events.wait(RequestEnded) == [RequestEnded("dev", number, "done")]


async def test_waiting_requests_survive_a_restart_and_sent_ones_are_not_guessed(
    running: Any, device: Any, start_server: Any
) -> None:
    await device.register("dev", "Q")
    device.answers(b"1", 0)
    await fall_asleep(running)
    waiting = await running.server.requests.submit("dev", READ)
    sent = await running.server.requests.submit("dev", EXECUTE)
    port = running.server.coap_address[1]
    await running.server.stop()
    await running.store.device_requests.set_state(sent, "sent")
    await running.store.close()
    again = await start_server(SLEEPY, port)
    assert (await again.server.requests.get(sent)).state == "unknown"
    await device.update()
    ended = await again.events.wait(RequestEnded, 2)
    assert ended == [RequestEnded("dev", sent, "unknown"), RequestEnded("dev", waiting, "done")]
    assert len(device.site.requests) == 1
