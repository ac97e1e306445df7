"""Lasting observations."""

from dataclasses import replace

from lwm2m_ml.store import Store
from lwm2m_ml.store.observations import ObservationRecord

SINGLE = ObservationRecord("ep", "/3/0/9", created_at=1.0)
COMPOSITE = ObservationRecord("ep", "/1 /3/0/9", composite=True, created_at=2.0)


async def test_observations_are_stored_once_and_forgotten_one_by_one(store: Store) -> None:
    store.observations.put(SINGLE)
    store.observations.put(COMPOSITE)
    await store.observations.put(replace(SINGLE, created_at=9.0))
    assert await store.observations.all() == (SINGLE, COMPOSITE)
    await store.observations.delete("ep", "/3/0/9", composite=True)
    await store.observations.delete("ep", "/3/0/9", composite=False)
    assert await store.observations.all() == (COMPOSITE,)
