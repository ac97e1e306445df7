"""Devices of campaigns."""

from dataclasses import replace

import pytest

from lwm2m_ml.store import RecordConflict, Store
from lwm2m_ml.store.campaign_devices import CampaignDeviceRecord
from lwm2m_ml.store.campaigns import CampaignRecord

DEVICE = CampaignDeviceRecord("c1", "ep", "cortex-m7", "pending", since=1.0, created_at=1.0, updated_at=1.0)


async def test_a_device_moves_on_and_keeps_its_first_time(store: Store) -> None:
    store.campaigns.put(CampaignRecord("c1", "digits", "1.0.0", "running"))
    store.campaign_devices.put(DEVICE)
    later = replace(
        DEVICE,
        state="active",
        variant="small",
        module_digest="aa" * 32,
        ota_bytes=10_000,
        ota_seconds=1.5,
        reason="fits",
        before="digits 0.9.0",
        reported="1.0.0",
        attempts=2,
        updated_at=3.0,
    )
    await store.campaign_devices.put(replace(later, created_at=9.0))
    assert await store.campaign_devices.of_campaign("c1") == (later,)
    assert await store.campaign_devices.of_endpoint("ep") == (later,)
    assert await store.campaign_devices.all() == (later,)
    assert await store.campaign_devices.of_campaign("c2") == ()


async def test_devices_are_counted_by_campaign_and_state(store: Store) -> None:
    store.campaigns.put(CampaignRecord("c1", "digits", "1.0.0", "running"))
    states = {"a": "active", "b": "active", "c": "refused"}
    await store.campaign_devices.put_all(
        [replace(DEVICE, endpoint=endpoint, state=state) for endpoint, state in states.items()]
    )
    assert await store.campaign_devices.tallies() == {"c1": {"active": 2, "refused": 1}}


async def test_a_device_of_an_unknown_campaign_is_refused(store: Store) -> None:
    with pytest.raises(RecordConflict, match=r"(?i)foreign key"):
        await store.campaign_devices.put(DEVICE)
