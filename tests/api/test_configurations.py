"""How the models of a device are wired, through the API, on a device that runs two of them."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import numpy
import pytest

from lwm2m_ml.app import Running
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.client.schemas.configurations import ConfigurationChange, Wire
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeliveryObject
from lwm2m_ml_simulator.objects.data import DataTemplate
from tests.simulator.conftest import ModuleMaker, make_profile

LIGHT = DataTemplate(3301, values={5700: 80.0})


@pytest.fixture
async def device(where: Running, client: AsyncClient) -> AsyncIterator[str]:
    """A device with a model in slot 0, and nothing in slot 1."""
    profile = make_profile(delivery=DeliveryObject.MODEL_CONFIGURATION, objects=(LIGHT,))
    maker = ModuleMaker(SigningKey.generate())
    images: Any = (numpy.array([1, 2, 3, 4], dtype=numpy.float32) for _ in iter(int, 1))
    async with SimulatedDevice(profile, where.uris["coap"], images, [maker.key.verification_key]) as mcu:
        await asyncio.sleep(0)  # the device starts
        assert mcu.client is not None
        await asyncio.wait_for(mcu.client.registered.wait(), 20)
        package = base64.b64encode(maker.package(profile, 1, filler=0)).decode()
        await client.write("mcu", "/513/0/1", package)
        yield "mcu"


async def test_a_model_is_shown_as_it_is_wired_until_somebody_wires_it(client: AsyncClient, device: str) -> None:
    first, second = await client.configurations(device)
    assert (first.slot, first.model, first.version, first.enabled) == (0, "sum", "1.1", False)
    assert first.inputs == [Wire(label="in")]
    assert first.outputs == [Wire(label="out", link="</42771/0>")]
    assert (second.slot, second.model, second.condition) == (1, "", "")


async def test_wiring_condition_and_enabling_reach_the_device(client: AsyncClient, device: str) -> None:
    change = ConfigurationChange(
        inputs=[Wire(label="in", transform="value * 2"), Wire(label="light", link="</3301/0/5700>")],
        condition="light < 50",
        enabled=True,
    )
    now = await client.configure(device, 0, change)
    assert (now.inputs, now.condition, now.enabled) == (change.inputs, "light < 50", True)
    assert now.outputs == [Wire(label="out", link="</42771/0>")]
    fewer = ConfigurationChange(inputs=[Wire(label="in")], condition="")
    now = await client.configure(device, 0, fewer)
    assert (now.inputs, now.condition, now.enabled) == ([Wire(label="in")], "", True)
    assert not (await client.configure(device, 0, ConfigurationChange(enabled=False))).enabled


REFUSED = (
    (ConfigurationChange(condition="lihgt < 50"), "The condition uses 'lihgt'"),
    (ConfigurationChange(condition="in <"), "ends too early at character 4"),
    (ConfigurationChange(inputs=[Wire(label="in"), Wire(label="in", link="</3/0/9>")]), "the same label"),
    (ConfigurationChange(inputs=[Wire(label="in", link="light")]), "'light'"),
    (ConfigurationChange(outputs=[Wire(label="out")]), "An output needs a link"),
    (ConfigurationChange(inputs=[Wire(label="in", link="</3303/0/5700>")]), "is not on this device"),
    (ConfigurationChange(inputs=[Wire(label="in", link="</42771/7>")]), "this device has 2 slots"),
)


async def test_what_cannot_be_followed_is_refused_with_the_reason_by_the_service_or_the_device(
    client: AsyncClient, device: str
) -> None:
    before = await client.configurations(device)
    for change, why in REFUSED:
        with pytest.raises(ApiError) as refused:
            await client.configure(device, 0, change)
        assert why in str(refused.value)
        assert await client.configurations(device) == before


async def test_what_is_not_there_is_told(client: AsyncClient, device: str) -> None:
    with pytest.raises(ApiError, match="mcu has no slot 7"):
        await client.configure(device, 7, ConfigurationChange(enabled=True))
    with pytest.raises(ApiError, match="nobody"):
        await client.configurations("nobody")


async def test_an_empty_slot_cannot_be_enabled(client: AsyncClient, device: str) -> None:
    with pytest.raises(ApiError, match="no module"):
        await client.configure(device, 1, ConfigurationChange(enabled=True))
