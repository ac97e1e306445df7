"""Deployments and their state."""

from dataclasses import replace

from lwm2m_ml.store import Store
from lwm2m_ml.store.deployments import DeploymentRecord

FIRST = DeploymentRecord("d1", "digits", "1.0.0", "running", created_at=1.0)
SECOND = DeploymentRecord("d2", "digits", "1.0.0", "running", created_at=2.0)


async def test_deployments_are_listed_oldest_first(store: Store) -> None:
    store.deployments.put(SECOND)
    await store.deployments.put(FIRST)
    assert await store.deployments.all() == (FIRST, SECOND)
    assert await store.deployments.get("d2") == SECOND
    assert await store.deployments.get("d3") is None


async def test_a_state_changes_alone(store: Store) -> None:
    store.deployments.put(FIRST)
    await store.deployments.set_state("d1", "finished")
    assert await store.deployments.all() == (replace(FIRST, state="finished"),)
