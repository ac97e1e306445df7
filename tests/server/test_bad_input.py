"""What hostile and broken devices send: answered or dropped, told in the log, and of no effect on other devices."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiocoap
import cbor2
import pytest
import pytest_asyncio
import structlog
from aiocoap.numbers.codes import Code

from lwm2m_ml.coap.codec import RawMessage, encode, parse
from lwm2m_ml.coap.numbers import CON, NON, RST
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.errors import DeviceError, DeviceTimeout, UnusableAnswer
from lwm2m_ml.server.events import DataSent
from lwm2m_ml.server.settings import ServerLimits

MANUFACTURER = ObjectPath(3, 0, 0)
SENML_CBOR, TLV, LINK = 112, 11542, 40
REPORT = cbor2.dumps([{-2: "/3/0/", 0: "0", 3: "ACME"}, {0: "9", 2: 80}])


class RawDevice:
    """One UDP socket whose messages a test writes by hand."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)

    async def send(self, message: RawMessage) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(self._socket, encode(message), self._server.coap_address)

    async def receive(self) -> RawMessage:
        async with asyncio.timeout(5):
            return parse(await asyncio.get_running_loop().sock_recv(self._socket, 65536))

    async def register(self, name: str, message_id: int = 1, token: bytes = b"t") -> RawMessage:
        await self.send(registration(name, message_id, token))
        return await self.receive()

    def close(self) -> None:
        self._socket.close()


def registration(name: str, message_id: int, token: bytes) -> RawMessage:
    options = [
        (11, b"rd"),
        (12, bytes([LINK])),
        (15, f"ep={name}".encode()),
        (15, b"lt=300"),
        (15, b"lwm2m=1.1"),
        (15, b"b=U"),
    ]
    return RawMessage(CON, Code.POST, message_id, token, options, b"</3/0>")


@pytest_asyncio.fixture
async def raw(running: Any) -> AsyncIterator[RawDevice]:
    device = RawDevice(running.server)
    yield device
    device.close()


@pytest_asyncio.fixture
async def bystander(running: Any, start_device: Any) -> Callable[[], Any]:
    """A well-behaved device; awaiting the result checks that it is served as ever."""
    device = await start_device()
    await device.register("bystander")
    device.answers(b"ACME", 0)

    async def is_served() -> None:
        async with asyncio.timeout(2):
            assert await running.server.devices.read("bystander", MANUFACTURER) == (Record(MANUFACTURER, "ACME"),)
            assert (await device.update()).code is Code.CHANGED

    return is_served


def logged(logs: list[Any], **members: Any) -> list[Any]:
    return [line for line in logs if all(line.get(name) == value for name, value in members.items())]


async def test_every_truncation_of_a_send_is_refused_and_logged(running: Any, device: Any, bystander: Any) -> None:
    await device.register()
    with structlog.testing.capture_logs() as logs:
        for length in range(len(REPORT)):
            answer = await device.ask(Code.POST, ["dp"], payload=REPORT[:length], content_format=SENML_CBOR)
            assert answer.code is Code.BAD_REQUEST
    refused = logged(logs, event="send refused", endpoint="dev")
    assert len(refused) == len(REPORT)
    assert all(line["reason"] for line in refused)
    assert running.events.of(DataSent) == []
    await bystander()


@pytest.mark.parametrize("content_format", [SENML_CBOR, 110, TLV, 11543, 11544])
async def test_a_truncated_answer_is_an_error_with_endpoint_and_path(
    running: Any, device: Any, bystander: Any, content_format: int
) -> None:
    await device.register()
    whole = {
        SENML_CBOR: REPORT,
        110: b'[{"bn":"/3/0/","n":"0","vs":"ACME"}]',
        TLV: b"\xc8\x00\x08ACME ltd",
        11543: b'{"bn":"/3/0/","e":[{"n":"0","sv":"ACME"}]}',
        11544: cbor2.dumps({3: {0: {0: "ACME"}}}),
    }[content_format]
    device.answers(whole[:-1], content_format)
    with pytest.raises(UnusableAnswer, match=r"dev answered about /3/0"):
        await running.server.devices.read("dev", ObjectPath(3, 0))
    await bystander()


@pytest.mark.parametrize("cut", [1, 7, 20])
async def test_a_truncated_registration_is_refused_and_logged(
    running: Any, device: Any, bystander: Any, cut: int
) -> None:
    objects = b'</>;rt="oma.lwm2m";ct=112,</3/0>,</9/0>;ver="1.0'
    with structlog.testing.capture_logs() as logs:
        answer = await device.register("broken", objects=objects[: len(objects) - cut] + b'"<')
    assert answer.code is Code.BAD_REQUEST
    assert running.server.registry.find("broken") is None
    assert any(line.get("endpoint") == "broken" and line.get("reason") for line in logs)
    await bystander()


async def test_a_link_list_of_64_kilobytes_is_taken_in_blocks(running: Any, device: Any, bystander: Any) -> None:
    links = b",".join(b"</%d/%d>" % (3300 + number // 60, number % 60) for number in range(4000))
    links += b",</3/0>;x=" + b"y" * (64 * 1024 - len(links) - 10)
    assert len(links) == 64 * 1024
    assert (await device.register("large", objects=links)).code is Code.CREATED
    assert len(running.server.registry.get("large").parameters.objects) == 4001
    await bystander()


async def test_a_link_list_without_end_is_refused_before_it_is_kept(running: Any, device: Any, bystander: Any) -> None:
    links = b",".join(b"</%d/0>" % number for number in range(1, 65000))
    answer = await device.register("huge", objects=links)
    assert answer.code is Code.REQUEST_ENTITY_TOO_LARGE
    assert running.server.registry.find("huge") is None
    await bystander()


async def test_unknown_objects_are_registered_read_and_reported_as_they_come(
    running: Any, device: Any, bystander: Any
) -> None:
    await device.register(objects=b"</3/0>,</65000/7>;ver=9.9")
    assert (65000, 7) in running.server.registry.get("dev").parameters.objects
    device.answers(cbor2.dumps([{-2: "/65000/7/", 0: "1", 2: 5}, {0: "2/4", 3: "x"}]), SENML_CBOR)
    records = await running.server.devices.read("dev", ObjectPath(65000, 7))
    assert records == (Record(ObjectPath(65000, 7, 1), 5), Record(ObjectPath(65000, 7, 2, 4), "x"))
    device.answers(b"\xc1\x01\x05", TLV)
    assert await running.server.devices.read("dev", ObjectPath(65000, 7)) == (Record(ObjectPath(65000, 7, 1), b"\x05"),)
    payload = cbor2.dumps([{0: "/65001/0/1", 2: 5}])
    assert (await device.ask(Code.POST, ["dp"], payload=payload, content_format=SENML_CBOR)).code is Code.CHANGED
    await bystander()


async def test_two_requests_with_the_same_token_are_both_answered(running: Any, raw: RawDevice, bystander: Any) -> None:
    for number in (1, 2):
        await raw.send(registration(f"twin-{number}", number, b"same"))
    answers = [await raw.receive() for _ in range(2)]
    assert {answer.message_id for answer in answers} == {1, 2}
    assert {answer.token for answer in answers} == {b"same"}
    assert {answer.code for answer in answers} == {Code.CREATED}
    await bystander()


async def test_a_repeated_registration_message_is_handled_once(running: Any, raw: RawDevice, bystander: Any) -> None:
    first = await raw.register("repeated")
    again = await raw.register("repeated")
    assert first == again
    await bystander()


async def test_an_answer_with_a_token_that_nobody_sent_is_reset(running: Any, raw: RawDevice, bystander: Any) -> None:
    await raw.register("stranger")
    await raw.send(RawMessage(CON, Code.CONTENT, 77, b"nobody", [], b"42"))
    assert await raw.receive() == RawMessage(RST, 0, 77)
    await bystander()


async def test_an_answer_that_comes_twice_counts_once(running: Any, raw: RawDevice, bystander: Any) -> None:
    await raw.register("twice")
    reading = asyncio.create_task(running.server.devices.read("twice", MANUFACTURER))
    asked = await raw.receive()
    for message_id, text in ((500, b"first"), (501, b"second")):
        await raw.send(RawMessage(NON, Code.CONTENT, message_id, asked.token, [(12, b"")], text))
    assert await reading == (Record(MANUFACTURER, "first"),)
    await bystander()


async def test_a_device_that_acknowledges_and_never_answers_is_given_up_and_logged(
    start_server: Any, start_device: Any
) -> None:
    running = await start_server(ServerLimits(request_timeout=0.5))
    raw = RawDevice(running.server)
    await raw.register("silent")
    with structlog.testing.capture_logs() as logs:
        executing = asyncio.create_task(running.server.devices.execute("silent", ObjectPath(3, 0, 4)))
        asked = await raw.receive()
        await raw.send(RawMessage(2, 0, asked.message_id))
        with pytest.raises(DeviceTimeout, match="silent did not answer Execute /3/0/4"):
            await executing
    assert any(line.get("endpoint") == "silent" and line.get("reason") for line in logs)
    raw.close()


async def test_a_device_that_answers_2_04_and_does_nothing_is_seen_by_reading(
    running: Any, device: Any, bystander: Any
) -> None:
    async def liar(request: aiocoap.Message) -> aiocoap.Message:
        if request.code is Code.GET:
            return aiocoap.Message(code=Code.CONTENT, payload=b"UTC", content_format=0)
        return aiocoap.Message(code=Code.CHANGED)

    await device.register()
    device.site.script = liar
    zone = ObjectPath(3, 0, 15)
    await running.server.devices.write("dev", zone, "Europe/Stockholm")
    await running.server.devices.execute("dev", ObjectPath(3, 0, 4))
    assert await running.server.devices.read("dev", zone) == (Record(zone, "UTC"),)
    await bystander()


async def test_a_flood_of_registrations_from_one_address_is_put_off(start_server: Any, start_device: Any) -> None:
    running = await start_server(ServerLimits(registrations_per_peer=1.0))
    bystander, flooder = await start_device(running.server), await start_device(running.server)
    assert (await bystander.register("bystander")).code is Code.CREATED
    answers = [await flooder.register(f"ghost-{number}") for number in range(100)]
    accepted = sum(answer.code is Code.CREATED for answer in answers)
    assert accepted < 50
    assert {answer.code for answer in answers} <= {Code.CREATED, Code.SERVICE_UNAVAILABLE}
    assert len(running.server.registry) == accepted + 1
    assert (await bystander.update()).code is Code.CHANGED


async def test_random_payloads_on_every_path_hurt_nobody(running: Any, device: Any, bystander: Any) -> None:
    await device.register()
    for path in (["rd"], ["dp"], ["bs"], list(device.location), ["rd", "x"], ["packages", "x"], []):
        for content_format in (0, LINK, SENML_CBOR, 110, TLV, 65000):
            answer = await device.ask(Code.POST, path, payload=os.urandom(200), content_format=content_format)
            assert not answer.code.is_successful()
            assert int(answer.code) < 0xA0, (path, content_format, answer)
    await bystander()


async def test_an_error_answer_with_a_long_diagnostic_is_cut(running: Any, device: Any) -> None:
    await device.register()
    device.answers(b"\xff" * 5000, code=Code.FORBIDDEN)
    with pytest.raises(DeviceError) as caught:
        await running.server.devices.read("dev", MANUFACTURER)
    assert len(caught.value.diagnostic) <= 200
