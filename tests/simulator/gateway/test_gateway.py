"""A gateway with a device behind it: servers reach it by its prefix, the gateway's model sees what it passes on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from aiocoap import Code

from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.gateway import end_devices
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.gateway.end_device import EndDevice
from lwm2m_ml_simulator.gateway.gateway import Gateway


@dataclass
class Pair:
    """The two devices, and a server that knows one of them."""

    server: Any
    gateway: SimulatedDevice
    sensor: SimulatedDevice
    behind: dict[str, EndDevice]
    opened: Gateway
    catalogue: Catalogue

    async def ask(self, code: Any, path: str, payload: bytes = b"", content_format: int | None = None) -> Any:
        return await self.server.ask(code, path, payload, content_format=content_format)

    async def wire(self, path: str, *texts: str) -> None:
        base = ObjectPath.parse(path.removeprefix("/d01"))
        records = [Record(base.child(number), text) for number, text in enumerate(texts)]
        payload = encode(records, int(ContentFormat.TLV), base, self.catalogue)
        answer = await self.ask(Code.PUT, path, payload, ContentFormat.TLV)
        assert answer.code is Code.CHANGED, answer.payload

    async def install(self, where: str, package: bytes) -> None:
        assert (await self.ask(Code.PUT, f"{where}/513/0/1", package, ContentFormat.OPAQUE)).code is Code.CHANGED
        assert (await self.ask(Code.PUT, f"{where}/513/0/13", b"1", ContentFormat.TEXT)).code is Code.CHANGED
        assert (await self.ask(Code.POST, f"{where}/42770/0/13")).code is Code.CHANGED


@pytest.fixture
async def pair(
    server: Any, make_device: Callable[..., SimulatedDevice], with_profile: Callable[..., DeviceProfile], catalogue: Any
) -> AsyncIterator[Pair]:
    behind: dict[str, EndDevice] = {}
    changes = {"delivery": DeliveryObject.MODEL_CONFIGURATION, "inference_period_ms": 10}
    gateway = make_device(with_profile(endpoint="gateway", **changes), behind=behind)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(gateway)
        opened = await stack.enter_async_context(Gateway(gateway, behind, catalogue))
        await server.until_registered()
        sensor = make_device(with_profile(endpoint="sensor", **changes), server_uri=opened.uri)
        await stack.enter_async_context(sensor)
        await server.until(lambda: server.updates and behind)
        yield Pair(server, gateway, sensor, behind, opened, catalogue)


async def test_object_25_tells_of_the_device(pair: Pair) -> None:
    answer = await pair.server.ask(Code.GET, "/25", accept=ContentFormat.SENML_CBOR)
    (device,) = end_devices(decode(answer.payload, ContentFormat.SENML_CBOR, ObjectPath(25), pair.catalogue))
    assert (device.device_id, device.prefix) == ("sensor", "d01")
    assert (513, 0) in device.object_list.objects


async def test_what_is_asked_behind_the_prefix_reaches_the_device(pair: Pair) -> None:
    assert (await pair.ask(Code.PUT, "/d01/513/0/3", b"about", ContentFormat.TEXT)).code is Code.CHANGED
    assert (await pair.ask(Code.GET, "/d01/513/0/3")).payload == b"about"
    assert (await pair.ask(Code.GET, "/513/0/3")).code is Code.NOT_FOUND
    assert (await pair.ask(Code.GET, "/d01/3303/0/5700")).code is Code.NOT_FOUND
    refused = await pair.ask(Code.PUT, "/d01/513/0/14", b"1 +", ContentFormat.TEXT)
    assert refused.code is Code.BAD_REQUEST
    assert b"ends too early" in refused.payload
    assert not (await pair.ask(Code.GET, "/d02/3/0/2")).code.is_successful()


async def test_a_model_on_the_gateway_sees_only_what_the_one_on_the_device_passes_on(
    pair: Pair, modules: Any, with_profile: Callable[..., DeviceProfile]
) -> None:
    profile = with_profile()
    await pair.install("/d01", modules.package(profile, 1, filler=0))
    await pair.install("", modules.package(profile, 2, bias=2, filler=0))
    await pair.wire("/d01/513/0/12", "in")
    await pair.wire("/d01/513/0/11", "if(in - in == 0 and largest(in) > 45, value, 0 / 0)")
    await pair.wire("/d01/513/0/10", "</19/7/0>")  # last: until then nothing is passed on
    await pair.server.until(lambda: "</19/7>" in pair.behind["d01"].objects)
    before = len(pair.gateway.inferences)
    await pair.wire("/513/0/7", "</d01/19/7/0>")
    async with asyncio.timeout(pair.server.patience):
        while len(pair.gateway.inferences) < before + 3:  # noqa: ASYNC110 - the devices tell nobody here
            await asyncio.sleep(0.01)
    seen = [record.outputs[0] for record in pair.gateway.inferences if record.index == -1]
    possible = {bytes((byte + 3 + 2) & 0xFF for byte in (index, 20, -10)) for index in range(46, 50)}
    assert seen
    assert set(seen) <= possible


async def test_a_device_that_is_gone_is_told(pair: Pair) -> None:
    await pair.sensor.stop(deregister=False)
    pair.opened.patience = 0.2
    answer = await pair.ask(Code.GET, "/d01/3/0/2")
    assert answer.code is Code.GATEWAY_TIMEOUT
