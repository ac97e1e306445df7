"""Register, Update, De-register: what a device sends and what it gets."""

import asyncio
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.coap.fast import FastResponse
from lwm2m_ml.coap.remote import random_token
from lwm2m_ml.server.errors import UnknownDevice
from lwm2m_ml.server.events import DeviceDeregistered, DeviceExpired, DeviceRegistered, DeviceUpdated
from lwm2m_ml.server.registration_interface import created
from lwm2m_ml.server.settings import ServerLimits


async def test_a_registered_device_is_known_with_what_it_said(running: Any, device: Any) -> None:
    response = await device.register("urn:dev:1", "mac=00:11", "Q", version="1.1", lifetime=77)
    assert response.code is Code.CREATED
    assert response.opt.location_path[0] == "rd"
    registration = running.server.registry.get("urn:dev:1")
    assert registration.parameters.version == "1.1"
    assert registration.parameters.lifetime == 77
    assert registration.parameters.queue_mode
    assert registration.parameters.attributes == {"mac": "00:11"}
    assert registration.parameters.content_formats == {110, 112}
    assert registration.instances(3) == (0,)
    assert registration.instances(4) is None
    assert registration.address == device.endpoint.local_address
    assert await running.events.wait(DeviceRegistered) == [DeviceRegistered("urn:dev:1", reregistered=False)]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_every_version_is_spoken(device: Any, version: str) -> None:
    assert (await device.register(version=version)).code is Code.CREATED


async def test_a_version_nobody_speaks_is_answered_4_12_and_the_fallback_is_accepted(device: Any) -> None:
    assert (await device.register(version="2.0")).code is Code.PRECONDITION_FAILED
    assert (await device.register(version="1.1")).code is Code.CREATED


@pytest.mark.parametrize(
    ("query", "payload", "content_format", "code"),
    [
        (["lt=60", "lwm2m=1.1"], b"</3/0>", 40, Code.BAD_REQUEST),
        (["ep=", "lwm2m=1.1"], b"</3/0>", 40, Code.BAD_REQUEST),
        (["ep=x", "lt=never", "lwm2m=1.1"], b"</3/0>", 40, Code.BAD_REQUEST),
        (["ep=x", "lwm2m=1.1"], b"<<<", 40, Code.BAD_REQUEST),
        (["ep=x", "lwm2m=1.1"], b"", None, Code.BAD_REQUEST),
        (["ep=x"], b"</3/0>", 40, Code.BAD_REQUEST),
        (["ep=x", "lwm2m=1.1"], b"</3/0>", 60, Code.UNSUPPORTED_CONTENT_FORMAT),
        (["ep=x", "lwm2m=1.1", "b=?"], b"</3/0>", 40, Code.BAD_REQUEST),
    ],
)
async def test_a_malformed_registration_gets_its_error_and_registers_nobody(
    running: Any, device: Any, query: list[str], payload: bytes, content_format: int | None, code: Code
) -> None:
    response = await device.ask(Code.POST, ["rd"], query, payload, content_format)
    assert response.code is code
    assert len(running.server.registry) == 0


async def test_registering_again_gives_a_new_location_and_ends_the_old_one(running: Any, device: Any) -> None:
    await device.register()
    old = device.location
    await device.register()
    assert device.location != old
    assert (await device.ask(Code.POST, old)).code is Code.NOT_FOUND
    assert (await device.update()).code is Code.CHANGED
    registered = await running.events.wait(DeviceRegistered, 2)
    assert [event.reregistered for event in registered] == [False, True]


async def test_an_update_keeps_what_it_does_not_mention(running: Any, device: Any) -> None:
    await device.register("dev", "mac=1", lifetime=100)
    assert (await device.update("lt=50", payload=b"</3/0>,</1/0>")).code is Code.CHANGED
    parameters = running.server.registry.get("dev").parameters
    assert parameters.lifetime == 50
    assert parameters.attributes == {"mac": "1"}
    assert parameters.content_formats == {110, 112}
    assert set(parameters.objects) == {(3, 0), (1, 0)}
    assert (await running.events.wait(DeviceUpdated))[0].objects_changed


async def test_an_update_to_an_unknown_location_is_4_04(device: Any) -> None:
    assert (await device.ask(Code.POST, ["rd", "nowhere"])).code is Code.NOT_FOUND
    assert (await device.ask(Code.POST, ["rd", "no", "where"])).code is Code.NOT_FOUND
    assert (await device.ask(Code.DELETE, ["rd", "nowhere"])).code is Code.NOT_FOUND


async def test_a_malformed_update_is_refused_and_changes_nothing(running: Any, device: Any) -> None:
    await device.register(lifetime=100)
    assert (await device.update("lt=soon")).code is Code.BAD_REQUEST
    assert running.server.registry.get("dev").parameters.lifetime == 100


async def test_an_update_from_a_new_address_moves_the_device(running: Any, device: Any, start_device: Any) -> None:
    await device.register()
    moved = await start_device()
    moved.location = device.location
    assert (await moved.update()).code is Code.CHANGED
    assert running.server.registry.get("dev").address == moved.endpoint.local_address


async def test_of_several_devices_behind_one_address_only_the_one_that_moved_moves(
    running: Any, device: Any, start_device: Any
) -> None:
    await device.register("stays")
    stays = device.location
    await device.register("moves")
    moved = await start_device()
    moved.location = device.location
    assert (await moved.update()).code is Code.CHANGED
    assert running.server.registry.get("moves").address == moved.endpoint.local_address
    assert running.server.registry.get("stays").address == device.endpoint.local_address
    device.location = stays
    assert (await device.update()).code is Code.CHANGED


async def test_a_deregistered_device_is_unknown(running: Any, device: Any) -> None:
    await device.register()
    assert (await device.deregister()).code is Code.DELETED
    with pytest.raises(UnknownDevice, match="dev"):
        running.server.registry.get("dev")
    assert await running.events.wait(DeviceDeregistered) == [DeviceDeregistered("dev")]
    assert (await device.deregister()).code is Code.NOT_FOUND


async def test_a_device_that_is_not_heard_of_expires_after_lifetime_and_grace(running: Any, device: Any) -> None:
    await device.register(lifetime=1)
    await asyncio.sleep(1.05)
    assert running.server.registry.find("dev") is not None
    assert await running.events.wait(DeviceExpired) == [DeviceExpired("dev")]
    assert running.server.registry.find("dev") is None
    assert (await device.update()).code is Code.NOT_FOUND


async def test_lifetime_zero_never_expires(running: Any, device: Any) -> None:
    await device.register(lifetime=0)
    await asyncio.sleep(0.4)
    assert running.server.registry.find("dev") is not None
    assert running.events.of(DeviceExpired) == []


async def test_registered_devices_are_known_after_a_restart(running: Any, device: Any, start_server: Any) -> None:
    await device.register("dev", "mac=1", "Q", lifetime=100)
    await device.update("lt=200")
    before = running.server.registry.get("dev")
    port = running.server.coap_address[1]
    await running.server.stop()
    await running.store.close()
    again = await start_server(port=port)
    after = again.server.registry.get("dev")
    assert after.parameters == before.parameters
    assert after.address == before.address
    assert after.location == before.location
    assert (await device.update()).code is Code.CHANGED


async def test_a_record_that_cannot_be_read_keeps_no_other_device_away(
    running: Any, device: Any, start_device: Any, start_server: Any
) -> None:
    other = await start_device(running.server)
    await device.register("dev")
    await other.register("other")
    port = running.server.coap_address[1]
    (damaged,) = await running.store.registrations.some(["dev"])
    text = damaged.parameters.replace('"1.0"', "null")
    assert text != damaged.parameters
    await running.store.registrations.put(damaged._replace(parameters=text))
    await running.server.stop()
    await running.store.close()
    again = await start_server(port=port)
    assert [one.endpoint for one in again.server.registry.all()] == ["other"]
    assert (await other.update()).code is Code.CHANGED
    assert (await device.update()).code is Code.NOT_FOUND
    assert (await device.register("dev")).code is Code.CREATED


async def test_a_registration_is_on_disk_before_its_answer(running: Any, device: Any) -> None:
    await device.register("dev")
    assert [record.endpoint for record in await running.store.registrations.all()] == ["dev"]
    await device.deregister()
    assert await running.store.registrations.all() == ()


async def test_when_nothing_can_be_written_the_device_is_asked_to_come_back(running: Any, device: Any) -> None:
    await running.store.writer.close()
    response = await device.register()
    assert response.code is Code.SERVICE_UNAVAILABLE
    assert response.opt.max_age == 10
    assert running.server.registry.find("dev") is None


async def test_hundreds_of_devices_register_at_once(running: Any, start_device: Any) -> None:
    devices = [await start_device() for _ in range(20)]

    async def register_some(one: Any, first: int) -> list[aiocoap.Message]:
        return [await one.register(f"dev-{number}") for number in range(first, first + 20)]

    answers = await asyncio.gather(*(register_some(one, index * 20) for index, one in enumerate(devices)))
    assert {answer.code for some in answers for answer in some} == {Code.CREATED}
    assert len(running.server.registry) == 400


async def test_beyond_the_limit_only_known_devices_may_register(start_server: Any, start_device: Any) -> None:
    running = await start_server(ServerLimits(maximum_devices=2))
    device = await start_device(running.server)
    for name in ("a", "b", "a"):
        assert (await device.register(name)).code is Code.CREATED
    assert (await device.register("c")).code is Code.SERVICE_UNAVAILABLE
    assert len(running.server.registry) == 2


def test_the_location_that_is_written_at_once_is_what_its_options_say() -> None:
    location = random_token().hex()
    general = FastResponse(Code.CREATED, location_path=("rd", location))
    assert created(location) == general
    assert created(location).tail() == general.tail()
