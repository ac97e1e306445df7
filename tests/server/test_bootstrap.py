"""Bootstrapping a device: Request, Delete, Write, Finish; and the pack."""

import base64
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.bootstrap_configuration import BootstrapConfiguration
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.events import BootstrapFailed, DeviceBootstrapped

CONFIGURATION = BootstrapConfiguration(
    (Record(ObjectPath(0, 1, 0), "coap://server:5683"), Record(ObjectPath(0, 1, 2), 3), Record(ObjectPath(1, 0, 1), 60))
)
TLV, SENML_CBOR = 11542, 112


def steps(device: Any) -> list[tuple[Code, str]]:
    return [(request.code, "/" + "/".join(request.opt.uri_path)) for request in device.site.requests]


async def test_a_device_gets_its_configuration_step_by_step(running: Any, device: Any) -> None:
    await running.server.bootstrap.configure("dev", CONFIGURATION)
    device.answers(code=Code.CHANGED)
    assert (await device.ask(Code.POST, ["bs"], ["ep=dev"])).code is Code.CHANGED
    assert await running.events.wait(DeviceBootstrapped) == [DeviceBootstrapped("dev")]
    assert steps(device) == [(Code.DELETE, "/"), (Code.PUT, "/0/1"), (Code.PUT, "/1/0"), (Code.POST, "/bs")]
    assert device.site.requests[1].opt.content_format == TLV
    assert device.site.requests[2].payload == bytes.fromhex("c1013c")


async def test_the_preferred_format_is_used(running: Any, device: Any) -> None:
    await running.server.bootstrap.configure("dev*", CONFIGURATION)
    device.answers(code=Code.CHANGED)
    await device.ask(Code.POST, ["bs"], ["ep=dev-7", "pct=112"])
    await running.events.wait(DeviceBootstrapped)
    assert [request.opt.content_format for request in device.site.requests] == [None, SENML_CBOR, SENML_CBOR, None]


async def test_a_refused_format_is_replaced_for_the_rest_of_the_session(running: Any, device: Any) -> None:
    async def no_tlv(request: Message) -> Message:
        refused = request.opt.content_format == TLV
        return Message(code=Code.UNSUPPORTED_CONTENT_FORMAT if refused else Code.CHANGED)

    await running.server.bootstrap.configure("dev", CONFIGURATION)
    device.site.script = no_tlv
    await device.ask(Code.POST, ["bs"], ["ep=dev"])
    await running.events.wait(DeviceBootstrapped)
    formats = [request.opt.content_format for request in device.site.requests if request.code is Code.PUT]
    assert formats == [TLV, SENML_CBOR, SENML_CBOR]


async def test_a_device_that_refuses_a_step_is_not_finished(running: Any, device: Any) -> None:
    await running.server.bootstrap.configure("dev", CONFIGURATION)
    device.answers(code=Code.BAD_REQUEST)
    await device.ask(Code.POST, ["bs"], ["ep=dev"])
    (failed,) = await running.events.wait(BootstrapFailed)
    assert failed.reason == "DELETE / was answered with 4.00 bad request"
    assert len(device.site.requests) == 1


@pytest.mark.parametrize("segment", ["bs", "bspack"])
async def test_an_unknown_or_nameless_device_gets_4_00(device: Any, segment: str) -> None:
    code = Code.POST if segment == "bs" else Code.GET
    assert (await device.ask(code, [segment], ["ep=nobody"])).code is Code.BAD_REQUEST
    assert (await device.ask(code, [segment])).code is Code.BAD_REQUEST


async def test_the_pack_holds_everything_in_the_format_asked_for(running: Any, device: Any) -> None:
    await running.server.bootstrap.configure("dev", CONFIGURATION)
    response = await device.ask(Code.GET, ["bspack"], ["ep=dev"], accept=SENML_CBOR)
    assert response.code is Code.CONTENT
    base, values = "", {}
    for entry in cbor2.loads(response.payload):
        base = entry.get(-2, base)
        values[base + entry.get(0, "")] = entry.get(2, entry.get(3))
    assert values == {"/0/1/0": "coap://server:5683", "/0/1/2": 3, "/1/0/1": 60}
    assert (await device.ask(Code.GET, ["bspack"], ["ep=dev"], accept=0)).code is Code.NOT_ACCEPTABLE


async def test_configurations_survive_a_restart(running: Any, device: Any, start_server: Any) -> None:
    await running.server.bootstrap.configure("dev", CONFIGURATION)
    await running.server.bootstrap.configure("gone", CONFIGURATION)
    await running.server.bootstrap.remove("gone")
    port = running.server.coap_address[1]
    await running.server.stop()
    await running.store.close()
    await start_server(port=port)
    assert (await device.ask(Code.GET, ["bspack"], ["ep=dev"])).code is Code.CONTENT
    assert (await device.ask(Code.GET, ["bspack"], ["ep=gone"])).code is Code.BAD_REQUEST


async def test_discover_leaves_the_bootstrap_account_where_it_is(running: Any, device: Any) -> None:
    async def script(request: Message) -> Message:
        if request.code is not Code.GET:
            return Message(code=Code.CHANGED)
        response = Message(code=Code.CONTENT, payload=b"</0/1>,</1/0>;ssid=1")
        response.opt.content_format = 40
        return response

    device.site.script = script
    await running.server.bootstrap.configure("dev", replace(CONFIGURATION, discover=True))
    await device.ask(Code.POST, ["bs"], ["ep=dev"])
    await running.events.wait(DeviceBootstrapped)
    assert steps(device)[:3] == [(Code.GET, "/"), (Code.DELETE, "/"), (Code.PUT, "/0/0")]


async def test_a_device_that_refuses_discover_is_bootstrapped_all_the_same(running: Any, device: Any) -> None:
    async def script(request: Message) -> Message:
        return Message(code=Code.METHOD_NOT_ALLOWED if request.code is Code.GET else Code.CHANGED)

    device.site.script = script
    await running.server.bootstrap.configure("dev", replace(CONFIGURATION, discover=True))
    await device.ask(Code.POST, ["bs"], ["ep=dev"])
    await running.events.wait(DeviceBootstrapped)
    assert (Code.PUT, "/0/1") in steps(device)


async def test_a_device_with_credentials_is_not_bootstrapped_in_plain(running: Any, device: Any) -> None:
    await running.server.bootstrap.configure("dev", CONFIGURATION)
    await running.server.credentials.add("dev", CredentialKind.PSK)
    assert (await device.ask(Code.POST, ["bs"], ["ep=dev"])).code is Code.FORBIDDEN
    assert (await device.ask(Code.GET, ["bspack"], ["ep=dev"])).code is Code.FORBIDDEN


@pytest.mark.parametrize("segment", ["bs", "bspack"])
async def test_keys_are_not_issued_in_plain(running: Any, device: Any, segment: str) -> None:
    await running.server.bootstrap.configure("dev", replace(CONFIGURATION, issue=True))
    code = Code.POST if segment == "bs" else Code.GET
    assert (await device.ask(code, [segment], ["ep=dev"])).code is Code.FORBIDDEN
    assert running.server.credentials.list() == ()


async def test_keys_in_configurations_are_sealed_on_disk(running: Any, settings: Any) -> None:
    secret = Record(ObjectPath(0, 1, 5), b"not for the disk")
    await running.server.bootstrap.configure("dev", BootstrapConfiguration((*CONFIGURATION.records, secret)))
    ((_, document),) = await running.store.bootstrap_configurations.all()
    assert base64.b64encode(b"not for the disk").decode().rstrip("=") not in str(document)
    assert "server:5683" not in str(document)
    assert "not for the disk" not in repr(running.server.bootstrap.configurations())
