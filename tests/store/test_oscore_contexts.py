"""Sequence numbers are given out once; replay windows are taken once."""

import asyncio

from lwm2m_ml.store import Store


async def test_no_number_is_given_twice(store: Store) -> None:
    firsts = await asyncio.gather(*(store.oscore_contexts.reserve("a", 32) for _ in range(20)))
    assert sorted(firsts) == list(range(0, 640, 32))
    assert await store.oscore_contexts.reserve("b", 1) == 0


async def test_numbers_go_on_after_a_restart(store: Store, store_url: str) -> None:
    await store.oscore_contexts.reserve("a", 10)
    await store.close()
    again = await Store.open(store_url)
    assert await again.oscore_contexts.reserve("a", 1) == 10
    await again.close()


async def test_a_new_context_has_an_empty_window_even_when_it_has_sent(store: Store) -> None:
    await store.oscore_contexts.reserve("a", 10)
    assert await store.oscore_contexts.take_window("a") == (-1, 0)


async def test_a_window_that_was_not_saved_is_lost(store: Store) -> None:
    assert await store.oscore_contexts.take_window("a") == (-1, 0)
    assert await store.oscore_contexts.take_window("a") is None


async def test_a_saved_window_comes_back_once(store: Store) -> None:
    window = (2**39, 2**1023 + 5)
    await store.oscore_contexts.save_window("a", window)
    assert await store.oscore_contexts.take_window("a") == window
    assert await store.oscore_contexts.take_window("a") is None
