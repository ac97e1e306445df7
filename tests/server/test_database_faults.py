"""A database that takes no writes: devices are told to come back, nothing is promised, and all goes on afterwards."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code

from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.events import RequestEnded
from lwm2m_ml.server.operations import Operation, OperationName
from lwm2m_ml.server.settings import ServerLimits
from lwm2m_ml.store import StoreError

FREE = ObjectPath(3, 0, 10)
EXECUTE = Operation(OperationName.EXECUTE, (ObjectPath(3, 0, 4),))
LARGE = b"," + b",".join(b"</%d/0>" % number for number in range(3300, 3340))


class Disk:
    """The files of the database, which can be taken away."""

    def __init__(self, directory: Path) -> None:
        self._here = directory
        self._away = directory / "away"
        self._away.mkdir()

    def fails(self) -> None:
        self._move(self._here, self._away)

    def works(self) -> None:
        self._move(self._away, self._here)

    def _move(self, source: Path, target: Path) -> None:
        for file in source.glob("lwm2m-ml.sqlite3*"):
            file.rename(target / file.name)


@pytest.fixture
def disk(settings: Settings) -> Disk:
    return Disk(settings.data_directory)


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_ml.server.mirror.RETRY_SECONDS", 0.05)
    monkeypatch.setattr("lwm2m_ml.server.request_queue.RETRY_SECONDS", 0.05)


async def test_a_register_is_put_off_and_leaves_no_trace(running: Any, device: Any, disk: Disk) -> None:
    disk.fails()
    response = await device.register()
    assert (response.code, response.opt.max_age) == (Code.SERVICE_UNAVAILABLE, 10)
    assert running.server.registry.find("dev") is None
    disk.works()
    assert (await device.register()).code is Code.CREATED
    assert [record.endpoint for record in await running.store.registrations.all()] == ["dev"]


async def test_an_update_that_says_something_is_put_off_and_changes_nothing(
    running: Any, device: Any, disk: Disk
) -> None:
    await device.register(lifetime=300)
    disk.fails()
    assert (await device.update("lt=600")).code is Code.SERVICE_UNAVAILABLE
    assert running.server.registry.get("dev").parameters.lifetime == 300
    disk.works()
    assert (await device.update("lt=600")).code is Code.CHANGED
    (record,) = await running.store.registrations.all()
    assert record.lifetime == 600


async def test_a_deregister_is_put_off_and_the_device_stays(running: Any, device: Any, disk: Disk) -> None:
    await device.register()
    disk.fails()
    assert (await device.deregister()).code is Code.SERVICE_UNAVAILABLE
    assert running.server.registry.find("dev") is not None
    disk.works()
    assert (await device.deregister()).code is Code.DELETED
    assert await running.store.registrations.all() == ()


async def test_a_sign_of_life_is_written_when_the_database_is_back(running: Any, device: Any, disk: Disk) -> None:
    await device.register()
    disk.fails()
    assert (await device.update()).code is Code.CHANGED
    async with asyncio.timeout(10):
        while running.store.writer.durability.trouble is None:  # noqa: ASYNC110 - the lag has to pass
            await asyncio.sleep(0.01)
    disk.works()
    seen = running.server.registry.get("dev").updated_at
    async with asyncio.timeout(10):
        while (await running.store.registrations.all())[0].updated_at != seen:
            await running.store.writer.flush()


async def test_a_sign_of_life_of_a_device_that_left_meanwhile_does_not_bring_it_back(
    running: Any, device: Any, disk: Disk
) -> None:
    await device.register()
    disk.fails()
    await device.update()
    async with asyncio.timeout(10):
        while running.store.writer.durability.trouble is None:  # noqa: ASYNC110 - the lag has to pass
            await asyncio.sleep(0.01)
    disk.works()
    assert (await device.deregister()).code is Code.DELETED
    await asyncio.sleep(0.2)
    await running.store.writer.flush()
    assert await running.store.registrations.all() == ()


async def test_a_lasting_observation_is_promised_when_it_is_written(running: Any, device: Any, disk: Disk) -> None:
    async def accept(request: Message) -> Message:
        response = Message(code=Code.CONTENT, payload=b"1")
        response.opt.content_format = 0
        response.opt.observe = 1 if request.opt.observe == 0 else None
        return response

    await device.register()
    device.site.script = accept
    disk.fails()
    for _ in range(2):
        with pytest.raises(StoreError):
            await running.server.devices.observe("dev", FREE, lasting=True)
    disk.works()
    await running.server.devices.observe("dev", FREE, lasting=True)
    assert len(await running.store.observations.all()) == 1
    disk.fails()
    for _ in range(2):
        with pytest.raises(StoreError):
            await running.server.devices.cancel_observation("dev", FREE)
    disk.works()
    await running.server.devices.cancel_observation("dev", FREE)
    assert await running.store.observations.all() == ()


async def test_a_queued_request_is_taken_when_it_is_written_and_its_outcome_waits_for_the_database(
    running: Any, device: Any, disk: Disk
) -> None:
    await device.register()
    disk.fails()
    with pytest.raises(StoreError):
        await running.server.requests.submit("dev", EXECUTE)
    disk.works()

    async def execute(_request: Message) -> Message:
        disk.fails()
        return Message(code=Code.CHANGED)

    device.site.script = execute
    number = await running.server.requests.submit("dev", EXECUTE)
    async with asyncio.timeout(10):
        while running.store.writer.durability.trouble is None or not device.site.requests:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert running.events.of(RequestEnded) == []
    disk.works()
    await running.events.wait(RequestEnded)
    assert (await running.server.requests.get(number)).state == "done"
    assert len(device.site.requests) == 1, "an Execute was repeated"


async def test_while_the_disk_stands_still_others_are_served_and_a_herd_is_put_off_at_once(
    start_server: Any, start_device: Any, settings: Settings
) -> None:
    running = await start_server(ServerLimits(registrations_under_way=3))
    device = await start_device(running.server)
    await device.register("known")
    other = sqlite3.connect(settings.data_directory / "lwm2m-ml.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    others = [await start_device(running.server) for _ in range(3)]
    waiting = [asyncio.create_task(one.register(f"dev-{number}")) for number, one in enumerate(others)]
    async with asyncio.timeout(10):
        while len(running.server.registry) < 4:  # noqa: ASYNC110 - they wait for the disk from then on
            await asyncio.sleep(0.01)
    late = await device.register("late")
    assert late.code is Code.SERVICE_UNAVAILABLE
    assert 10 <= late.opt.max_age <= 30
    assert (await device.update()).code is Code.CHANGED
    assert not any(task.done() for task in waiting)
    other.execute("ROLLBACK")
    other.close()
    assert [(await task).code for task in waiting] == [Code.CREATED] * 3
    assert (await device.register("late")).code is Code.CREATED
