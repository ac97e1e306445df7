"""Campaigns from fit to confirmed, with real modules, a real store and devices in memory."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.service.campaigns.campaign import Campaign, CampaignChanged, CampaignDevice
from lwm2m_ml.service.campaigns.plan import Plan
from lwm2m_ml.service.campaigns.records import CampaignRecords
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.store import Store


async def test_a_model_reaches_a_device_and_the_row_tells_all_about_it(house: Any, join: Callable[..., Any]) -> None:
    device = join("a")
    seen: list[DeviceState] = []

    async def note(event: CampaignChanged) -> None:
        if event.device is not None:
            seen.append(event.device.state)

    house.bus.subscribe(CampaignChanged, note)
    (row,) = (await house.deploy("a")).devices
    await house.bus.drain()
    assert (row.state, row.variant, row.target) == (DeviceState.ACTIVE, "digits-large", "cortex-m4f")
    assert row.module_bytes is not None
    assert row.ota_bytes == row.module_bytes > 40_000
    assert row.ram_bytes
    assert row.instructions
    assert row.ota_seconds
    assert device.slots[0].state == 3
    assert list(dict.fromkeys(seen)) == [
        DeviceState.FITTING,
        DeviceState.BUILDING,
        DeviceState.DELIVERING,
        DeviceState.TRIAL,
        DeviceState.ACTIVE,
    ]


async def test_devices_of_one_kind_share_build_and_package(house: Any, join: Callable[..., Any], store: Store) -> None:
    for endpoint in "abcde":
        join(endpoint)
    deployed = await house.deploy(*"abcde")
    assert {row.state for row in deployed.devices} == {DeviceState.ACTIVE}
    assert len({row.module_digest for row in deployed.devices}) == 1
    assert house.builder.compilations == 1
    assert await store.sequence_numbers.current("modules") == 1


async def test_each_campaign_signs_with_a_higher_sequence_number(house: Any, join: Callable[..., Any]) -> None:
    join("a"), join("b")
    first, second = await house.deploy("a"), await house.deploy("b")
    assert first.devices[0].module_digest != second.devices[0].module_digest
    assert house.builder.compilations == 1


async def test_a_model_that_runs_already_is_not_sent_again(house: Any, join: Callable[..., Any]) -> None:
    device = join("a")
    await house.deploy("a")
    device.writes.clear()
    assert (await house.deploy("a")).devices[0].state is DeviceState.ACTIVE
    assert not device.writes


async def test_a_device_that_nothing_fits_is_refused_with_figures(house: Any, join: Callable[..., Any]) -> None:
    join("tiny", storage_free=1_000)
    (row,) = (await house.deploy("tiny")).devices
    assert row.state is DeviceState.REFUSED
    assert row.reason.endswith("B of module storage, 1,000 B free; smallest variant digits-small")
    assert row.reason.startswith("needs ")
    assert "at least" not in row.reason


async def test_a_small_device_gets_the_variant_that_fits(house: Any, join: Callable[..., Any]) -> None:
    join("small", storage_free=12_000)
    (row,) = (await house.deploy("small")).devices
    assert (row.state, row.variant) == (DeviceState.ACTIVE, "digits-small")


async def test_a_device_without_runtime_is_refused(house: Any, join: Callable[..., Any]) -> None:
    join("plain", ml=False)
    (row,) = (await house.deploy("plain")).devices
    assert (row.state, row.reason) == (DeviceState.REFUSED, "no ML runtime reported")


async def test_one_broken_device_does_not_hold_up_the_others(house: Any, join: Callable[..., Any]) -> None:
    join("good")
    join("liar", lies=True)
    join("silent", off_for=1_000_000)
    join("cut", power_cut_at=5_000)
    rows = {row.endpoint: row for row in (await house.deploy("good", "liar", "silent", "cut")).devices}
    assert rows["good"].state is rows["cut"].state is DeviceState.ACTIVE
    assert rows["liar"].state is rows["silent"].state is DeviceState.FAILED
    assert "no block fetched for" in rows["liar"].reason
    assert "has not answered for" in rows["silent"].reason


async def test_a_module_that_fails_its_trial_is_reported_with_the_devices_reason(
    house: Any, join: Callable[..., Any]
) -> None:
    join("a", module_result=13)
    (row,) = (await house.deploy("a")).devices
    assert (row.state, row.reason) == (DeviceState.FAILED, "self test mismatch (result 13)")


@pytest.mark.parametrize("state", [DeviceState.FITTING, DeviceState.DELIVERING, DeviceState.TRIAL])
async def test_a_campaign_goes_on_after_the_server_stopped(
    house: Any, join: Callable[..., Any], state: DeviceState
) -> None:
    join("a")
    stopped = asyncio.Event()

    async def note(event: CampaignChanged) -> None:
        if event.device is not None and event.device.state is state:
            stopped.set()

    subscription = house.bus.subscribe(CampaignChanged, note)
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a"))
        async with asyncio.timeout(10):
            await stopped.wait()
    subscription.cancel()
    async with house.open() as campaigns:
        (row,) = (await house.finished(campaigns, started.campaign.id)).devices
    assert row.state is DeviceState.ACTIVE
    assert row.module_bytes


async def test_a_finished_campaign_is_found_in_the_store(house: Any, join: Callable[..., Any]) -> None:
    join("a")
    deployed = await house.deploy("a")
    async with house.open() as campaigns:
        assert await campaigns.get(deployed.campaign.id) == deployed
        assert [one.campaign for one in await campaigns.all()] == [deployed.campaign]
        with pytest.raises(NotFoundError):
            await campaigns.get("unknown")


async def test_a_device_takes_part_in_one_campaign_at_a_time(house: Any, join: Callable[..., Any]) -> None:
    device = join("a")
    async with house.open() as campaigns:
        both = [await campaigns.create(house.zoo.get("digits"), house.named("a")) for _ in range(2)]
        ends = [(await house.finished(campaigns, one.campaign.id)).devices[0] for one in both]
    assert [row.state for row in ends] == [DeviceState.ACTIVE, DeviceState.ACTIVE]
    assert len(device.writes) == 1


async def test_a_model_that_was_removed_fails_its_campaign(house: Any, join: Callable[..., Any], store: Store) -> None:
    join("a")
    now = time.time()
    gone = Campaign("gone", "cats", "1", Plan.at_once(), since=now, created_at=now)
    await CampaignRecords(store).create(gone, [CampaignDevice("a", since=now)])
    async with house.open() as campaigns:
        (row,) = (await house.finished(campaigns, "gone")).devices
    assert (row.state, row.reason) == (DeviceState.FAILED, "There is no model cats 1")


async def test_a_device_that_forbids_to_read_its_capabilities_fails_at_once(
    house: Any, join: Callable[..., Any]
) -> None:
    join("closed", locked=frozenset({42769}))
    (row,) = (await house.deploy("closed")).devices
    assert row.state is DeviceState.FAILED
    assert "4.01" in row.reason
