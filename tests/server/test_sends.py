"""Send: data arrives as typed values."""

import asyncio
from typing import Any

import cbor2
import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.events import DataSent
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.errors import StoreError, StoreOverloaded


@pytest.mark.parametrize(
    ("content_format", "payload"),
    [
        (112, cbor2.dumps([{-2: "/3/0/", 0: "9", 2: 80}, {0: "0", 3: "ACME"}])),
        (110, b'[{"bn":"/3/0/","n":"9","v":80},{"n":"0","vs":"ACME"}]'),
        (11544, cbor2.dumps({3: {0: {9: 80, 0: "ACME"}}})),
    ],
)
async def test_what_a_registered_device_sends_is_an_event(
    running: Any, device: Any, content_format: int, payload: bytes
) -> None:
    await device.register()
    response = await device.ask(Code.POST, ["dp"], (), payload, content_format)
    assert response.code is Code.CHANGED
    (event,) = await running.events.wait(DataSent)
    assert event.endpoint == "dev"
    assert set(event.records) == {Record(ObjectPath(3, 0, 9), 80), Record(ObjectPath(3, 0, 0), "ACME")}


async def test_nothing_is_acknowledged_while_those_who_keep_it_are_away(running: Any, device: Any) -> None:
    await device.register()
    running.server.keepers_away(True)
    put_off = await device.ask(Code.POST, ["dp"], (), b'[{"n":"/3/0/9","v":80}]', 110)
    assert put_off.code is Code.SERVICE_UNAVAILABLE
    assert put_off.opt.max_age
    assert running.events.of(DataSent) == []
    running.server.keepers_away(False)
    assert (await device.ask(Code.POST, ["dp"], (), b'[{"n":"/3/0/9","v":80}]', 110)).code is Code.CHANGED
    await running.events.wait(DataSent)


async def test_a_peer_that_is_not_registered_gets_4_04(running: Any, device: Any) -> None:
    assert (await device.ask(Code.POST, ["dp"], (), b"[]", 110)).code is Code.NOT_FOUND
    assert running.events.of(DataSent) == []


async def test_after_deregistration_it_is_4_04_again(device: Any) -> None:
    await device.register()
    await device.deregister()
    assert (await device.ask(Code.POST, ["dp"], (), b"[]", 110)).code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("content_format", "payload", "code"),
    [
        (110, b"[{", Code.BAD_REQUEST),
        (112, b"\xff", Code.BAD_REQUEST),
        (0, b"1", Code.UNSUPPORTED_CONTENT_FORMAT),
        (None, b"1", Code.UNSUPPORTED_CONTENT_FORMAT),
    ],
)
async def test_what_cannot_be_read_is_refused(
    running: Any, device: Any, content_format: int | None, payload: bytes, code: Code
) -> None:
    await device.register()
    assert (await device.ask(Code.POST, ["dp"], (), payload, content_format)).code is code
    assert running.events.of(DataSent) == []


# Keepers


class Shelf:
    """A keeper that a test lets finish."""

    def __init__(self) -> None:
        self.asked: list[DataSent] = []
        self.commits: list[Commit] = []

    def keep(self, event: DataSent) -> Commit:
        self.asked.append(event)
        self.commits.append(Commit())
        return self.commits[-1]


async def until_asked(shelf: Shelf) -> None:
    async with asyncio.timeout(5):
        while not shelf.asked:  # noqa: ASYNC110 - the request travels through a socket
            await asyncio.sleep(0.001)


async def test_a_device_is_thanked_when_every_keeper_is_done(running: Any, device: Any) -> None:
    first, second = Shelf(), Shelf()
    running.server.add_keeper(first.keep)
    running.server.add_keeper(second.keep)
    running.server.add_keeper(lambda _: None)
    await device.register()
    sending = asyncio.create_task(device.ask(Code.POST, ["dp"], (), b'[{"n":"/3/0/9","v":80}]', 110))
    await until_asked(first)
    first.commits[0].settle()
    await asyncio.sleep(0.02)
    assert not sending.done()
    assert running.events.of(DataSent) == []
    second.commits[0].settle()
    assert (await sending).code is Code.CHANGED
    assert await running.events.wait(DataSent) == first.asked


async def test_what_cannot_be_kept_is_sent_again(running: Any, device: Any) -> None:
    shelf = Shelf()
    running.server.add_keeper(shelf.keep)
    await device.register()
    sending = asyncio.create_task(device.ask(Code.POST, ["dp"], (), b'[{"n":"/3/0/9","v":80}]', 110))
    await until_asked(shelf)
    shelf.commits[0].settle(StoreError("The disk is gone"))
    response = await sending
    assert (response.code, response.opt.max_age) == (Code.SERVICE_UNAVAILABLE, 10)
    assert running.events.of(DataSent) == []


async def test_a_keeper_that_is_overloaded_puts_the_device_off(running: Any, device: Any) -> None:
    def refuse(_: DataSent) -> None:
        raise StoreOverloaded(500_000)

    running.server.add_keeper(refuse)
    await device.register()
    response = await device.ask(Code.POST, ["dp"], (), b'[{"n":"/3/0/9","v":80}]', 110)
    assert response.code is Code.SERVICE_UNAVAILABLE
    running.server.remove_keeper(refuse)
    assert (await device.ask(Code.POST, ["dp"], (), b'[{"n":"/3/0/9","v":80}]', 110)).code is Code.CHANGED
