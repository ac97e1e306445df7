"""Campaigns, groups, fit and dry runs through the API, with devices that tell who they are and nothing more."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import numpy
import onnx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from onnx import TensorProto, helper, numpy_helper

from lwm2m_ml.app import Running
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.client.schemas.campaigns import Campaign, CampaignCommand, CampaignRequest
from lwm2m_ml.client.schemas.fit import DeviceType, FitRequest
from lwm2m_ml.client.schemas.zoo import ModelToAdd
from lwm2m_ml.service.access import Scope
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.objects.device import Device, DeviceIdentity
from lwm2m_ml_simulator.objects.server import Server

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BOARD = DeviceType(name="board", manufacturer="ACME*", target="nrf52840", storage_bytes=65_536, memory_bytes=32_768)
Join = Callable[..., Awaitable[None]]


@pytest_asyncio.fixture
async def join(where: Running, api: FastAPI) -> AsyncIterator[Join]:
    """Switch on devices of a maker, and wait until what they say of themselves was read."""
    async with AsyncExitStack() as fleet:

        async def switch_on(*endpoints: str, manufacturer: str = "ACME") -> None:
            for endpoint in endpoints:
                objects = [Server(lifetime=300), Device(DeviceIdentity(manufacturer=manufacturer))]
                device = Lwm2mClient(endpoint, where.uris["coap"], objects, lifetime=300)
                await fleet.enter_async_context(device)
                async with asyncio.timeout(10):
                    await device.registered.wait()
                    await api.state.service.profile(endpoint)

        yield switch_on


def later() -> dict[str, Any]:
    """A plan whose devices begin in three days."""
    day = DAYS[(time.gmtime().tm_wday + 3) % 7]
    return {"phases": [{"size": "100%"}], "windows": [{"start": "10:00", "end": "11:00", "days": [day]}]}


@pytest.fixture
async def meter(client: AsyncClient) -> str:
    """A small model that does not ship with the release."""
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)],
        "meter",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(numpy.eye(3, 2, dtype=numpy.float32), "w")],
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    inputs = io.BytesIO()
    numpy.savez(inputs, x=numpy.random.default_rng(1).random((50, 2), dtype=numpy.float32))
    file = await client.store_file(model.SerializeToString())
    calibration = await client.store_file(inputs.getvalue())
    card = {
        "name": "meter",
        "version": "1.0",
        "variants": [{"name": "meter", "digest": file.digest, "accuracy": 97.0}],
        "calibration": {"digest": calibration.digest, "array": "x"},
    }
    await client.add_model(ModelToAdd.model_validate(card))
    return "meter"


async def over(client: AsyncClient, campaign: Campaign) -> Campaign:
    async with asyncio.timeout(20):
        while not (found := await client.campaign(campaign.id)).finished:  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.01)
    return found


async def refused(call: Awaitable[object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


async def test_a_group_holds_whoever_its_filter_lets_through_now(client: AsyncClient, join: Join) -> None:
    await join("a", "b")
    made = await client.add_group("oslo", "tag=oslo manufacturer=ACME")
    assert made.members == []
    assert (await client.tag_device("a", add=["oslo", "roof"])).tags == ["oslo", "roof"]
    assert (await client.group("oslo")).members == ["a"]
    assert [group.name for group in await client.groups()] == ["oslo"]
    await client.tag_device("a", remove=["oslo"])
    assert (await client.group("oslo")).members == []
    assert (await refused(client.add_group("oslo", "tag=x"))).status == 409
    wrong = await refused(client.add_group("wrong", "colour=red"))
    assert (400 <= wrong.status < 500, "colour" in wrong.message) == (True, True)
    await client.remove_group("oslo")
    assert (await refused(client.group("oslo"))).status == 404


async def test_a_campaign_is_started_steered_and_told_of(client: AsyncClient, join: Join) -> None:
    await join("a", "b")
    await join("c", manufacturer="Other")
    await client.add_group("acme", "manufacturer=ACME")
    me = (await client.caller()).name

    made = await client.start_campaign(CampaignRequest(model="digits", group="acme", plan=later(), name="spring"))
    assert (made.state, made.name, made.version, made.created_by) == ("running", "spring", "1.0.0", me)
    assert (made.tally, made.phases) == ({"pending": 2}, 1)
    devices = await client.campaign_devices(made.id)
    assert [(device.endpoint, device.state, device.phase) for device in devices] == [
        ("a", "pending", 1),
        ("b", "pending", 1),
    ]
    assert all("window" in device.diagnosis for device in devices)

    async def command(name: Any, **more: Any) -> Campaign:
        return await client.command_campaign(made.id, CampaignCommand(command=name, **more))

    assert (await refused(command("approve"))).status == 409
    paused = await command("pause", reason="looks odd")
    assert (paused.state, paused.reason) == ("paused", "looks odd")
    assert (await command("resume")).state == "running"
    await command("cancel", reason="not this year")
    ended = await over(client, made)
    assert (ended.state, ended.tally) == ("cancelled", {"cancelled": 2})
    assert (await refused(command("resume"))).status == 409

    story = await client.campaign_story(made.id)
    assert [note.who for note in story[:4]] == [me] * 4
    assert "looks odd" in story[1].text
    assert "not this year" in story[3].text
    assert await client.campaign_story(made.id, after=story[1].number) == story[2:]
    assert [one.id for one in await client.campaigns()] == [made.id]
    assert len(await client.campaign_devices(made.id, state="cancelled")) == 2
    assert await client.campaign_devices(made.id, state="active") == []


async def test_a_plan_that_means_nothing_is_refused_and_begins_nothing(client: AsyncClient, join: Join) -> None:
    await join("a")
    plans: dict[str, dict[str, Any]] = {
        "200%": {"phases": [{"size": "200%"}]},
        "wrong at phase:": {"phase": []},
        "gates.accuracy": {"gates": {"accuracy": 90}},
        "phases.0.soaking": {"phases": [{"soaking": 5}]},
        "gates.latency": {"gates": {"latency": -1}},
        "25:00": {"windows": [{"start": "25:00", "end": "04:00"}]},
        "retry.kinds.0": {"retry": {"kinds": ["bored"]}},
    }
    for says, plan in plans.items():
        for call in (client.start_campaign, client.preview_campaign):
            error = await refused(call(CampaignRequest(model="digits", plan=plan)))
            assert (error.status, says in error.message) == (422, True), error.message
    assert await client.campaigns() == []


async def test_who_may_only_look_starts_and_steers_nothing(
    where: Running, client: AsyncClient, join: Join, issue: Callable[[Scope], Awaitable[str]]
) -> None:
    await join("a")
    made = await client.start_campaign(CampaignRequest(model="digits", plan=later()))
    async with AsyncClient(where.api, await issue(Scope.VIEWER)) as viewer:
        assert (await viewer.campaign(made.id)).state == "running"
        request = CampaignRequest(model="digits")
        for call in (
            viewer.start_campaign(request),
            viewer.preview_campaign(request),
            viewer.command_campaign(made.id, CampaignCommand(command="cancel")),
            viewer.fit(FitRequest(model="digits")),
            viewer.add_group("mine", ""),
            viewer.add_device_type(BOARD),
            viewer.tag_device("a", add=["x"]),
        ):
            assert (await refused(call)).status == 403
    assert (await client.campaign(made.id)).state == "running"


async def test_a_version_that_a_running_campaign_uses_cannot_be_removed(
    client: AsyncClient, join: Join, meter: str
) -> None:
    await join("a")
    made = await client.start_campaign(CampaignRequest(model=meter, plan=later()))
    error = await refused(client.remove_model(meter, "1.0"))
    assert (error.status, made.id in error.message) == (409, True)
    assert (await client.model(meter)).version == "1.0"
    await client.command_campaign(made.id, CampaignCommand(command="cancel"))
    await over(client, made)
    await client.remove_model(meter, "1.0")
    assert (await refused(client.model(meter))).status == 404


async def test_a_dry_run_says_what_would_happen_and_does_nothing(client: AsyncClient, join: Join, meter: str) -> None:
    await client.add_device_type(BOARD)
    await join("known")
    await join("stranger", manufacturer="Other")
    request = CampaignRequest(model=meter)
    found = await client.preview_campaign(request)
    known, stranger = sorted(found.devices, key=lambda device: device.endpoint)
    assert found.tally == {"would be sent": 1, "refused": 1}
    assert (known.state, known.target, known.variant) == ("would be sent", "nrf52840", "meter")
    assert (known.package_bytes or 0) == found.package_bytes > 0
    assert (stranger.state, stranger.reason) == ("refused", "no ML runtime reported")
    assert found.compilations == 1
    assert (await client.preview_campaign(request)).compilations == 0
    assert await client.campaigns() == []


async def test_fit_compares_every_way_once(client: AsyncClient, join: Join, meter: str) -> None:
    await client.add_device_type(BOARD)
    await join("a", "b")
    await join("stranger", manufacturer="Other")
    first = await client.fit(FitRequest(model=meter))
    (survey,) = first.surveys
    assert (sorted(survey.endpoints), survey.target, first.unknown) == (["a", "b"], "nrf52840", ["stranger"])
    assert first.compilations > 0
    native = [option for option in survey.options if option.backend == "native"]
    assert {option.plan for option in native} == {"balanced", "size", "speed"}
    assert all(option.fits and option.flash_bytes and option.instructions and option.latency for option in native)
    assert survey.chosen in survey.options

    tight = await client.fit(FitRequest(model=meter, endpoint="a", maximum_bytes=10, minimum_accuracy=99.0))
    (survey,) = tight.surveys
    assert (tight.compilations, survey.endpoints, survey.chosen) == (0, ["a"], None)
    for option in survey.options:
        if option.backend == "native":
            assert option.cached
            assert len(option.shortfalls) == len(option.changes) == 2
