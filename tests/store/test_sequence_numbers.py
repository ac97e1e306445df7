"""Counters never give a number twice."""

import asyncio

from lwm2m_ml.store import Store


async def test_concurrent_callers_get_different_numbers(store: Store) -> None:
    numbers = await asyncio.gather(*(store.sequence_numbers.next("packages") for _ in range(50)))
    assert sorted(numbers) == list(range(1, 51))
    assert await store.sequence_numbers.current("packages") == 50


async def test_counters_are_independent_and_survive_a_restart(store: Store, store_url: str) -> None:
    await store.sequence_numbers.next("a")
    assert await store.sequence_numbers.current("b") == 0
    await store.close()
    again = await Store.open(store_url)
    assert await again.sequence_numbers.next("a") == 2
    await again.close()
