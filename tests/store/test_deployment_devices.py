"""Devices of deployments."""

from dataclasses import replace

import pytest

from lwm2m_ml.store import RecordConflict, Store
from lwm2m_ml.store.deployment_devices import DeploymentDeviceRecord
from lwm2m_ml.store.deployments import DeploymentRecord

DEVICE = DeploymentDeviceRecord("d1", "ep", "cortex-m7", "waiting", created_at=1.0, updated_at=1.0)


async def test_a_device_moves_on_and_keeps_its_first_time(store: Store) -> None:
    store.deployments.put(DeploymentRecord("d1", "digits", "1.0.0", "running"))
    store.deployment_devices.put(DEVICE)
    later = replace(
        DEVICE,
        state="active",
        variant="small",
        module_digest="aa" * 32,
        ota_bytes=10_000,
        ota_seconds=1.5,
        reason="fits",
        updated_at=3.0,
    )
    await store.deployment_devices.put(replace(later, created_at=9.0))
    assert await store.deployment_devices.of_deployment("d1") == (later,)
    assert await store.deployment_devices.of_endpoint("ep") == (later,)
    assert await store.deployment_devices.all() == (later,)
    assert await store.deployment_devices.of_deployment("d2") == ()


async def test_a_device_of_an_unknown_deployment_is_refused(store: Store) -> None:
    with pytest.raises(RecordConflict, match="FOREIGN KEY"):
        await store.deployment_devices.put(DEVICE)
