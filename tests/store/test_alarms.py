"""Alarms in the database."""

import dataclasses

from lwm2m_ml.store import Store
from lwm2m_ml.store.alarms import AlarmRecord

FIRST = AlarmRecord("a1", "drift", "device", "digits", "1.0.0", "input", "it drifted", {"samples": 4}, raised_at=1.0)
SECOND = dataclasses.replace(FIRST, id="a2", endpoint="", raised_at=2.0)


async def test_open_ones_come_oldest_first_and_all_newest_first(store: Store) -> None:
    store.alarms.put(SECOND)
    await store.alarms.put(FIRST)
    assert await store.alarms.open() == (FIRST, SECOND)
    assert await store.alarms.newest(10) == (SECOND, FIRST)
    assert await store.alarms.newest(1) == (SECOND,)
    assert await store.alarms.newest(10, before=(2.0, "a2")) == (FIRST,)


async def test_a_cleared_one_is_open_no_more(store: Store) -> None:
    store.alarms.put(FIRST)
    await store.alarms.clear("a1", 5.0)
    assert await store.alarms.open() == ()
    assert await store.alarms.newest(10, only_open=True) == ()
    assert await store.alarms.get("a1") == dataclasses.replace(FIRST, cleared_at=5.0)


async def test_the_first_to_acknowledge_stays(store: Store) -> None:
    store.alarms.put(FIRST)
    store.alarms.acknowledge("a1", "anna", 5.0)
    await store.alarms.acknowledge("a1", "ben", 6.0)
    assert await store.alarms.get("a1") == dataclasses.replace(FIRST, acknowledged_at=5.0, acknowledged_by="anna")
    assert await store.alarms.get("a9") is None
