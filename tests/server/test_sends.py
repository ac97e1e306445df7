"""Send: data arrives as typed values."""

from typing import Any

import cbor2
import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.events import DataSent


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
