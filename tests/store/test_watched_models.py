"""The last counts of models on devices."""

import dataclasses

from lwm2m_ml.store import Store
from lwm2m_ml.store.watched_models import WatchedModelRecord

FIRST = WatchedModelRecord("device", 0, "ab" * 32, {"results": 3, "histogram": [1, 2]}, {"input": "suspected"}, 1.0)
SECOND = dataclasses.replace(FIRST, slot=1)


async def test_the_latest_count_of_each_slot_is_kept(store: Store) -> None:
    store.watched_models.put(SECOND)
    store.watched_models.put(FIRST)
    later = dataclasses.replace(FIRST, counters={"results": 9}, taken_at=2.0)
    await store.watched_models.put(later)
    assert await store.watched_models.of_endpoint("device") == (later, SECOND)
    assert await store.watched_models.of_endpoint("other") == ()


async def test_a_slot_can_be_forgotten_alone(store: Store) -> None:
    store.watched_models.put(FIRST)
    store.watched_models.put(SECOND)
    await store.watched_models.delete_slot("device", 0)
    assert await store.watched_models.all() == (SECOND,)
